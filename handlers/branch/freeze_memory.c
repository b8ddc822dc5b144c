#include <sys/mman.h>

#include "handlers/branch/freezing.h"

#define MAX_STACK (8UL << 20)
#define STACK_GAP (256 * PAGE) /* as the kernel leaves between a stack and what is below it */

/* What a page of a private mapping is, proc_pid_pagemap(5). */
#define PRESENT (1ULL << 63)
#define SWAPPED (1ULL << 62)
#define OF_A_FILE (1ULL << 61)

struct mapping {
  uint64_t start;
  uint64_t end;
  uint64_t offset;
  uint64_t device;
  uint64_t inode;
  uint8_t prot;
  int shared;
  int wiped;
  const char* name; /* in the line */
};

/* "START-END rwxp OFFSET MAJOR:MINOR INODE NAME" */
static void parse(const char* line, struct mapping* mapping) {
  mapping->start = number_of(&line, 16);
  ++line;
  mapping->end = number_of(&line, 16);
  mapping->prot = (uint8_t)((line[1] == 'r' ? PROT_READ : 0) | (line[2] == 'w' ? PROT_WRITE : 0) |
                            (line[3] == 'x' ? PROT_EXEC : 0));
  mapping->shared = line[4] == 's';
  line += 6;
  mapping->offset = number_of(&line, 16);
  ++line;
  const uint64_t major = number_of(&line, 16);
  ++line;
  const uint64_t minor = number_of(&line, 16);
  mapping->device = device_of(major, minor);
  ++line;
  mapping->inode = number_of(&line, 10);
  while (*line == ' ') ++line;
  mapping->name = line;
}

static struct snapshot_area* new_area(struct work* work, const struct mapping* mapping) {
  struct snapshot* snapshot = &work->snapshot;
  if (snapshot->area_count == SNAPSHOT_AREAS) {
    refuse(work, "its memory has too many parts", "");
    return 0;
  }
  struct snapshot_area* area = &snapshot->areas[snapshot->area_count++];
  area->start = mapping->start;
  area->end = mapping->end;
  area->prot = mapping->prot;
  area->kind = SNAPSHOT_EMPTY;
  return area;
}

static int write_pages(struct work* work, const struct snapshot_area* area, uint64_t start,
                       uint64_t end) {
  while (start < end) {
    const long written = kernel4(SYS_pwrite64, work->file, (long)start, (long)(end - start),
                                 (long)(area->offset + (start - area->start)));
    if (written <= 0) return refuse_number(work, "write the memory: error ", written, "");
    start += (uint64_t)written;
  }
  return 0;
}

static void give_room(struct work* work, struct snapshot_area* area) {
  area->kind = SNAPSHOT_PAGES;
  area->offset = work->next_offset;
  work->next_offset += area->end - area->start;
}

/* Pages that the process has written to: to the snapshot, if `write`. Whether there are any. */
static int own_pages(struct work* work, int pagemap, struct snapshot_area* area, int write) {
  uint64_t begun = 0; /* a run of them */
  int found = 0;
  for (uint64_t at = area->start; at < area->end;) {
    uint64_t count = (area->end - at) / PAGE;
    if (count > ENTRIES) count = ENTRIES;
    const long got = kernel4(SYS_pread64, pagemap, (long)work->entries, (long)(count * 8),
                             (long)(at / PAGE * 8));
    if (got != (long)(count * 8)) return refuse_number(work, "/proc/self/pagemap: error ", got, "");
    for (uint64_t i = 0; i < count; ++i, at += PAGE) {
      const uint64_t entry = work->entries[i];
      const int own = (entry & (PRESENT | SWAPPED)) != 0 && (entry & OF_A_FILE) == 0;
      if (own && !write) return 1;
      if (own && begun == 0) begun = at;
      if (!own && begun != 0) {
        if (write_pages(work, area, begun, at) != 0) return -1;
        begun = 0;
      }
      found |= own;
    }
  }
  if (begun != 0 && write_pages(work, area, begun, area->end) != 0) return -1;
  return found;
}

static int take_name(struct work* work, struct snapshot_area* area, const char* name) {
  struct snapshot* snapshot = &work->snapshot;
  const size_t size = length_of(name) + 1;
  if (snapshot->names_used + size > SNAPSHOT_NAMES) {
    return refuse(work, "its memory has too many files", "");
  }
  area->name = snapshot->names_used;
  for (size_t i = 0; i < size; ++i) snapshot->names[area->name + i] = name[i];
  snapshot->names_used += (uint32_t)size;
  return 0;
}

static int is_of_the_image(const struct work* work, const struct mapping* mapping) {
  if (mapping->inode == 0 || mapping->name[0] != '/' || mapping->device != work->root_device) {
    return 0;
  }
  for (const char* at = mapping->name; *at != '\0'; ++at) {
    if (*at == '\\' || begins_with(at, " (deleted)")) return 0;
  }
  return 1;
}

static int take_file(struct work* work, const struct mapping* mapping, struct snapshot_area* area) {
  area->kind = SNAPSHOT_FILE;
  area->offset = mapping->offset;
  area->shared = (uint8_t)mapping->shared;
  return take_name(work, area, mapping->name);
}

/* What is below the frame that it goes on with is of no use, but a stack has to have room. */
static int take_stack(struct work* work, const struct mapping* mapping) {
  struct mapping used = *mapping;
  used.start = (work->snapshot.stack - PAGE) & ~(PAGE - 1);
  struct mapping room = *mapping;
  room.end = used.start;
  room.start = mapping->end - MAX_STACK;
  if (room.start < work->last_end + STACK_GAP) room.start = work->last_end + STACK_GAP;
  if (room.start < room.end && new_area(work, &room) == 0) return -1;
  struct snapshot_area* area = new_area(work, &used);
  if (area == 0) return -1;
  give_room(work, area);
  return write_pages(work, area, area->start, area->end);
}

static int take_private(struct work* work, int pagemap, const struct mapping* mapping) {
  struct snapshot_area* area = new_area(work, mapping);
  if (area == 0) return -1;
  if (mapping->wiped) {
    area->kind = SNAPSHOT_WIPED;
    return 0;
  }
  const int touched = own_pages(work, pagemap, area, 0);
  if (touched < 0) return -1;
  if (mapping->inode == 0) {
    if (!touched) return 0;
    give_room(work, area);
    return own_pages(work, pagemap, area, 1) < 0 ? -1 : 0;
  }
  if (!touched && is_of_the_image(work, mapping)) return take_file(work, mapping, area);
  give_room(work, area);
  return write_pages(work, area, area->start, area->end);
}

static int take_special(struct work* work, const struct mapping* mapping) {
  struct snapshot* snapshot = &work->snapshot;
  if (snapshot->special_count == SNAPSHOT_SPECIALS)
    return refuse(work, "this kernel is unknown", "");
  if (begins_with(mapping->name, "[vdso]")) snapshot->vdso = mapping->start;
  struct snapshot_special* special = &snapshot->specials[snapshot->special_count++];
  special->start = mapping->start;
  special->end = mapping->end;
  return 0;
}

static int take(struct work* work, int pagemap, const struct mapping* mapping) {
  const char* name = mapping->name;
  if (begins_with(name, "[vsyscall]")) return 0;
  if (begins_with(name, "[vdso]") || begins_with(name, "[vvar")) return take_special(work, mapping);
  if ((mapping->end > RESTORER_START && mapping->start < RESTORER_END) ||
      (mapping->end > RESTORER_ROOM_START && mapping->start < RESTORER_ROOM_END)) {
    return refuse(work, "its memory lies where none of it may: ", work->line);
  }
  if (begins_with(name, "[stack]")) return take_stack(work, mapping);
  if (!mapping->shared) return take_private(work, pagemap, mapping);
  if ((mapping->prot & PROT_WRITE) != 0 || !is_of_the_image(work, mapping)) {
    return refuse(work, "it has shared memory before its first connection: ", name);
  }
  struct snapshot_area* area = new_area(work, mapping);
  return area == 0 ? -1 : take_file(work, mapping, area);
}

/* "VmFlags: rd wr mr …": whether no copy of the process is to have what is in it. Random numbers to
 * come are kept in such memory, by the C library and others. */
static int is_wiped(const char* flags) {
  for (; *flags != '\0'; ++flags) {
    if (begins_with(flags, " wf") || begins_with(flags, " dp")) return 1;
  }
  return 0;
}

/* smaps: a line for each mapping, more about it, "VmFlags:" at last. */
int write_memory(struct work* work) {
  const int pagemap = open_proc("/proc/self/pagemap", 0);
  if (pagemap < 0) return refuse_number(work, "/proc/self/pagemap: error ", pagemap, "");
  work->reader.fd = open_proc("/proc/self/smaps", 0);
  if (work->reader.fd < 0) {
    return refuse_number(work, "/proc/self/smaps: error ", work->reader.fd, "");
  }
  work->reader.at = work->reader.end = 0;
  int result = 0;
  struct mapping mapping = {0};
  while (result == 0 && read_line(&work->reader, work->line)) {
    parse(work->line, &mapping);
    do {
      if (!read_line(&work->reader, work->more)) {
        result = refuse(work, "/proc/self/smaps ends too early", "");
        break;
      }
    } while (!begins_with(work->more, "VmFlags:"));
    mapping.wiped = is_wiped(work->more);
    if (result == 0) result = take(work, pagemap, &mapping);
    work->last_end = mapping.end;
  }
  kernel1(SYS_close, work->reader.fd);
  kernel1(SYS_close, pagemap);
  return result;
}
