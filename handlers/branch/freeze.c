/* Writes the memory of the process that calls it into a snapshot (snapshot.h). Code without a place
 * of its own: faasd puts it at the beginning of the file that is to hold the snapshot, and sends
 * that to the handler, which maps it and calls it:
 *
 *     int freeze(int snapshot, long rseq, void** curbrk);
 *
 * 0: the snapshot is made, and this process has nothing to do any more. 1: this is a container that
 * has started from it; but for the memory all is new. -1: it cannot be made, and the file says why.
 * `rseq` is the value of glibc's __rseq_offset, `curbrk` the address of its __curbrk; both are 0 if
 * the C library has none. Not for processes with threads, which a snapshot would not have.
 * Source: proc_pid_maps(5), proc_pid_pagemap(5). */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <linux/rseq.h>

#include "handlers/branch/freezing.h"

#define NO_HEAP (1ULL << 62) /* beyond all addresses that a process may have */

/* Where this code begins, and where a snapshot goes on. What a called function has to leave as it
 * found it lies on the stack meanwhile: the psABI, 3.2.1. */
extern const char resume[];
__asm__(
    ".pushsection .text.entry, \"ax\"\n"
    ".globl freeze\n"
    "freeze:\n"
    "    push %rbp\n"
    "    push %rbx\n"
    "    push %r12\n"
    "    push %r13\n"
    "    push %r14\n"
    "    push %r15\n"
    "    push %rsi\n"
    "    push %rdx\n"
    "    sub $24, %rsp\n"
    "    stmxcsr (%rsp)\n"
    "    fnstcw 4(%rsp)\n"
    "    mov %rsp, %rsi\n"
    "    call freeze_from\n"
    "return:\n"
    "    add $40, %rsp\n"
    "    pop %r15\n"
    "    pop %r14\n"
    "    pop %r13\n"
    "    pop %r12\n"
    "    pop %rbx\n"
    "    pop %rbp\n"
    "    ret\n"
    "resume:\n"
    "    ldmxcsr (%rsp)\n"
    "    fldcw 4(%rsp)\n"
    "    mov 32(%rsp), %rdi\n"
    "    mov 24(%rsp), %rsi\n"
    "    call resumed\n"
    "    mov $1, %eax\n"
    "    jmp return\n"
    ".popsection\n");

static int make_snapshot(struct work* work) {
  if (check_process(work) != 0 || note_process(work) != 0) return -1;
  return write_memory(work);
}

/* With the stack that all registers lie on. */
int freeze_from(int file, uint64_t stack);
int freeze_from(int file, uint64_t stack) {
  struct work work;
  work.snapshot = (struct snapshot){0};
  work.file = file;
  work.snapshot.stack = stack;
  work.snapshot.code = (uint64_t)resume;
  work.next_offset = (SNAPSHOT_AT + sizeof work.snapshot + PAGE - 1) & ~(PAGE - 1);
  const int result = make_snapshot(&work);
  if (result == 0) refuse(&work, SNAPSHOT_READY, "");
  const long written =
      kernel4(SYS_pwrite64, file, (long)&work.snapshot, sizeof work.snapshot, SNAPSHOT_AT);
  return written == (long)sizeof work.snapshot ? result : -1;
}

/* In what has started from the snapshot, before anything else. */
void resumed(long rseq, uint64_t* curbrk);
void resumed(long rseq, uint64_t* curbrk) {
  kernel2(SYS_munmap, RESTORER_START, RESTORER_END - RESTORER_START);
  kernel2(SYS_munmap, RESTORER_ROOM_START, RESTORER_ROOM_END - RESTORER_ROOM_START);
  /* The heap of brk(2) is a mapping like others now, and that of this process is somewhere else: it
   * is not to be found, so that the C library hears that there is no more, and maps some. */
  if (curbrk != 0) *curbrk = NO_HEAP;
  if (rseq == 0) return;
  uint64_t thread = 0;
  kernel2(SYS_arch_prctl, ARCH_GET_FS, (long)&thread);
  /* The kernel does not keep it up to date any more, and this is how the C library is told. */
  struct rseq* area = (struct rseq*)(thread + (uint64_t)rseq);
  area->cpu_id_start = 0;
  area->cpu_id = (uint32_t)RSEQ_CPU_ID_REGISTRATION_FAILED;
}
