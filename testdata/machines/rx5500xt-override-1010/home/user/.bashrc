# ~/.bashrc
case $- in
    *i*) ;;
      *) return;;
esac

HISTSIZE=1000
alias ll='ls -alF'

export HSA_OVERRIDE_GFX_VERSION=10.1.0
export PYTORCH_ROCM_ARCH=gfx1010
