# The client's connection becomes the program's stdin and stdout.
cd /exercise
case $LANGUAGE in
  python) exec faas-receive python3 exercise.py ;;
  node) exec faas-receive node --expose-gc exercise.js ;;
  go) exec faas-receive ./exercise ;;
  java) exec faas-receive java -XX:+UseG1GC -cp /exercise Exercise ;;
  busybox) exec faas-receive busybox sh exercise.sh ;;
esac
