# ~/.bashrc
case $- in
    *i*) ;;
      *) return;;
esac

HISTSIZE=1000
alias ll='ls -alF'

export LD_LIBRARY_PATH=/opt/rocm/lib
