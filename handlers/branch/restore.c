/* Makes this process what the snapshot at descriptor SNAPSHOT_FD was made of (snapshot.h): maps its
 * memory where it was, and goes on where that stopped. It is the first program of a container of a
 * branched function, and has that container's rights and no more: a snapshot that somebody has made
 * up does what any program may do there. Linked to lie between RESTORER_START and RESTORER_END. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "handlers/branch/kernel.h"
#include "handlers/branch/snapshot.h"

#define SNAPSHOT_PLACE RESTORER_ROOM_START
#define SPECIALS_PLACE (RESTORER_ROOM_START + 0x800000000)
#define FAILED 127

static _Noreturn void fail(const char* what, long error) {
  char text[128] = "faas-branch: cannot ";
  size_t at = length_of(text);
  while (*what != '\0' && at + 16 < sizeof text) text[at++] = *what++;
  const char rest[] = ": error ";
  for (size_t i = 0; rest[i] != '\0'; ++i) text[at++] = rest[i];
  error = -error;
  if (error >= 100) text[at++] = (char)('0' + error / 100 % 10);
  if (error >= 10) text[at++] = (char)('0' + error / 10 % 10);
  text[at++] = (char)('0' + error % 10);
  text[at++] = '\n';
  kernel3(SYS_write, 2, (long)text, (long)at);
  for (;;) kernel1(SYS_exit_group, FAILED);
}

static void check(long result, const char* what) {
  if (result < 0 && result > -4096) fail(what, result);
}

static void map(uint64_t start, uint64_t end, int prot, int flags, long fd, uint64_t offset) {
  check(kernel(SYS_mmap, (long)start, (long)(end - start), prot, flags | MAP_FIXED | MAP_NORESERVE,
               fd, (long)offset),
        "map the memory");
}

static void move(uint64_t from, uint64_t to, uint64_t size) {
  check(kernel(SYS_mremap, (long)from, (long)size, (long)size, MREMAP_MAYMOVE | MREMAP_FIXED,
               (long)to, 0),
        "move the kernel's own code");
}

static void map_areas(const struct snapshot* snapshot) {
  long file = -1;
  uint32_t name = 0;
  for (uint32_t i = 0; i < snapshot->area_count && i < SNAPSHOT_AREAS; ++i) {
    const struct snapshot_area* area = &snapshot->areas[i];
    if (area->kind == SNAPSHOT_EMPTY || area->kind == SNAPSHOT_WIPED) {
      map(area->start, area->end, area->prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (area->kind == SNAPSHOT_WIPED) {
        kernel3(SYS_madvise, (long)area->start, (long)(area->end - area->start), MADV_WIPEONFORK);
      }
    } else if (area->kind == SNAPSHOT_PAGES) {
      map(area->start, area->end, area->prot, MAP_PRIVATE, SNAPSHOT_FD, area->offset);
    } else {
      const char* path = snapshot->names + area->name;
      const char* last = snapshot->names + name;
      size_t same = 0;
      while (path[same] == last[same] && path[same] != '\0') ++same;
      if (file < 0 || path[same] != last[same]) {
        if (file >= 0) kernel1(SYS_close, file);
        file = kernel4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
        check(file, path);
        name = area->name;
      }
      map(area->start, area->end, area->prot, area->shared ? MAP_SHARED : MAP_PRIVATE, file,
          area->offset);
    }
  }
  if (file >= 0) kernel1(SYS_close, file);
}

static void restore_process(const struct snapshot* snapshot) {
  for (int signal = 1; signal <= SNAPSHOT_SIGNALS; ++signal) {
    const struct snapshot_signal* action = &snapshot->signals[signal - 1];
    if (action->handler == 0) continue; /* as it is */
    kernel4(SYS_rt_sigaction, signal, (long)action, 0, sizeof(uint64_t));
  }
  kernel2(SYS_sigaltstack, (long)snapshot->signal_stack, 0);
  kernel4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&snapshot->signal_mask, 0,
          sizeof snapshot->signal_mask);
  check(kernel1(SYS_chdir, (long)snapshot->directory), "enter the working directory");
  kernel1(SYS_umask, snapshot->umask);
  kernel2(SYS_prctl, PR_SET_NAME, (long)snapshot->command);
  check(kernel2(SYS_arch_prctl, ARCH_SET_FS, (long)snapshot->thread), "set the thread");
}

static uint64_t vdso_of(const uint64_t* stack) {
  const uint64_t* at = stack + 1 + *stack + 1; /* the count, the arguments, their end */
  while (*at != 0) ++at;                       /* the environment */
  for (++at; at[0] != AT_NULL; at += 2) {
    if (at[0] == AT_SYSINFO_EHDR) return at[1];
  }
  return 0;
}

/* `stack` is what the kernel has left for a new program; this one has its own. */
_Noreturn void restore(const uint64_t* stack);
_Noreturn void restore(const uint64_t* stack) {
  const uint64_t vdso = vdso_of(stack);
  map(SNAPSHOT_PLACE, SNAPSHOT_PLACE + sizeof(struct snapshot), PROT_READ, MAP_PRIVATE, SNAPSHOT_FD,
      SNAPSHOT_AT);
  const struct snapshot* snapshot = (const struct snapshot*)SNAPSHOT_PLACE;
  for (uint32_t i = 0; i < snapshot->special_count && i < SNAPSHOT_SPECIALS; ++i) {
    const struct snapshot_special* special = &snapshot->specials[i];
    const uint64_t away = special->start - snapshot->vdso; /* perhaps below it */
    move(vdso + away, SPECIALS_PLACE + (special->start - snapshot->specials[0].start),
         special->end - special->start);
  }
  map_areas(snapshot);
  for (uint32_t i = 0; i < snapshot->special_count && i < SNAPSHOT_SPECIALS; ++i) {
    const struct snapshot_special* special = &snapshot->specials[i];
    move(SPECIALS_PLACE + (special->start - snapshot->specials[0].start), special->start,
         special->end - special->start);
  }
  kernel1(SYS_close, SNAPSHOT_FD);
  restore_process(snapshot);
  __asm__ volatile("mov %0, %%rsp\n\tjmp *%1" : : "r"(snapshot->stack), "r"(snapshot->code));
  __builtin_unreachable();
}

static char own_stack[16384] __attribute__((aligned(16), used));

__asm__(
    ".globl _start\n"
    "_start:\n"
    "    mov %rsp, %rdi\n"
    "    lea own_stack+16384(%rip), %rsp\n"
    "    call restore\n"
    "    hlt\n");
