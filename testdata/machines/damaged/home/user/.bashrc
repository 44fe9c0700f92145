# grüße
export HSA_OVERRIDE_GFX_VERSION=10.3.0ÿ
export PATH="$HOME/bin:$PATH
if then fi (
