// What `faasd unpack-image` is to the daemon, without the daemon.
#include "oci/image/image_store.h"

int main(int argc, char** argv) {
  return argc == 3 ? image::unpack_main(argv[2]) : 64;
}
