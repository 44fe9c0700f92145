# ~/.profile
if [ -d "$HOME/bin" ]; then PATH="$HOME/bin:$PATH"; fi
export HSA_OVERRIDE_GFX_VERSION=gfx1030
