# ~/.bashrc
case $- in
    *i*) ;;
      *) return;;
esac

HISTSIZE=1000
alias ll='ls -alF'

