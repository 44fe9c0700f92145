# ~/.bashrc
case $- in
    *i*) ;;
      *) return;;
esac

HISTSIZE=1000
alias ll='ls -alF'

export HSA_OVERRIDE_GFX_VERSION_0=10.3.0
