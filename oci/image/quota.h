// Every bound of the image layer, each with its reason. A Quota is handed to the confined child as
// it is, in front of the archive; parent and child are one binary.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace image {

struct Quota {
  // All regular files of all layers together. The largest images in public use (GPU frameworks)
  // have about 15 GB; a function is smaller.
  std::uint64_t unpacked_bytes = 16ULL << 30;
  // One file, holes included: a sparse file costs its logical size to whoever reads it.
  std::uint64_t file_bytes = 8ULL << 30;
  // Archive bytes after decompression: the files and their headers. Stops a tail of endless zeros.
  std::uint64_t stream_bytes = 20ULL << 30;
  // Inodes, markers included. The largest distribution images have about 300,000.
  std::uint64_t entries = 500'000;
  // Directories above a file. Real trees (node_modules included) stay below 40, and the store walks
  // a layer with one stack frame a level.
  std::uint64_t path_depth = 128;
  // Docker itself stops at 127.
  std::uint64_t layers = 128;
  // Members of the outer archive: three a layer and a few documents; more is no image.
  std::uint64_t archive_members = 4096;
  // One JSON document. A config with a history of 127 layers has 100 kB; parsed, a hostile one
  // takes 30 times its length.
  std::uint64_t document_bytes = 1ULL << 20;
  // All documents together: they are the only part of an archive that is held in memory.
  std::uint64_t documents_bytes = 4ULL << 20;
  // Of one layer that is read faster than it is written. It waits on the disk that it is written
  // to.
  std::uint64_t spool_bytes = 1ULL << 30;
  // Decompressed to compressed size. Layers compress 2 to 10 times, deflate can do 1032.
  std::uint64_t compression_ratio = 200;
  // The ratio counts beyond this much output: a small layer of zeros is no bomb.
  std::uint64_t ratio_free_bytes = 64ULL << 20;
};
static_assert(std::is_trivially_copyable_v<Quota>);

// How long the child may go without taking a byte. After the last one it may take this many times
// longer: what it has spooled is written then.
constexpr std::chrono::milliseconds kUnpackPatience{120'000};
constexpr int kUnpackFinishFactor = 8;

// The same in memory: what two threads that take turns need, and no more.
constexpr std::uint64_t kSpoolMemoryBytes = 1ULL << 20;

// How long a sender may wait for a layer that another one brings, and how many may: each holds a
// connection of the API. After that it brings the layer itself, which is no harm.
constexpr std::chrono::seconds kLayerPatience{30};
constexpr std::size_t kLayerWaiters = 8;
// How long a sender that has asked may take to begin, and how many may be about to.
constexpr std::chrono::seconds kRequestPatience{30};
constexpr std::size_t kUnclaimedRequests = 256;

// Memory of the child beyond its code: the decompressors' windows (8 MiB each as zstd and xz are
// used; their largest settings are refused), headers of up to 1 MiB, the documents, the times of
// the directories, two threads' stacks.
constexpr std::uint64_t kUnpackMemoryBytes = 60ULL << 20;
// A layer's thread: the deepest calls are libarchive's, which keeps its buffers on the heap.
constexpr std::size_t kUnpackStackBytes = 512U << 10;
// More threads than this would wait for one disk.
constexpr std::size_t kUnpackJobs = 4;
// CPU time of the child: 20 GiB take about three minutes; more is a parser that runs in circles.
constexpr std::uint64_t kUnpackCpuSeconds = 600;
// The same for putting the layers together, which 500,000 files take a minute for: paths through
// chains of long symbolic links cost a thousand times as much as others.
constexpr std::chrono::seconds kComposeCpu{180};
// Directories that an image shares with another one are mounted where a container runs: so many at
// most, and none that has fewer directories in it (of 4 KiB each, mostly). Looking for them may
// take so long; what was not looked at is not shared.
constexpr std::size_t kGrafts = 8;
constexpr std::size_t kGraftDirectories = 8;
constexpr std::chrono::seconds kShareCpu{10};
// Descriptors of the child: three standard ones and, of each layer, its root, a parent, a file,
// what is behind.
constexpr std::uint64_t kUnpackDescriptors = 64;

// The child's report: the documents, and a line for each layer and link.
constexpr std::size_t kReportBytes = 16U << 20;
// The message of a refusal, as it is shown to the caller.
constexpr std::size_t kMessageBytes = 1024;

// PAX headers, GNU long names: libarchive's own bound.
constexpr std::uint64_t kSpecialHeaderBytes = 1U << 20;
// What Linux allows: NAME_MAX, PATH_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX.
constexpr std::size_t kNameBytes = 255;
constexpr std::size_t kPathBytes = 4095;
constexpr std::size_t kXattrNameBytes = 255;
constexpr std::size_t kXattrValueBytes = 65536;
// The names of one directory together: they are held in memory. 200,000 names of 40 bytes.
constexpr std::size_t kDirectoryNamesBytes = 8U << 20;
// Symbolic links in one path, as in path_resolution(7).
constexpr int kLinksInPath = 40;

// Images in one archive, and how many indexes lead to one. `docker save` of all that a developer
// has is some hundred; index of an index is what buildx writes.
constexpr std::size_t kManifests = 1024;
constexpr int kIndexDepth = 4;
constexpr std::size_t kIndexes = 64;

// Nesting of a JSON document: real ones have five levels, and what walks them recurses.
constexpr int kJsonDepth = 64;
// Entrypoint and Cmd together, as MAX_ARG_STRLEN bounds one of them: execve(2) refuses more.
constexpr std::size_t kCommandBytes = 128U << 10;
constexpr std::size_t kCommandWords = 4096;
// Env: what a deploy may add has the same bounds (function/bounds.h).
constexpr std::size_t kEnvEntries = 1024;
constexpr std::size_t kEnvBytes = 128U << 10;
constexpr std::size_t kEnvTotalBytes = 512U << 10;
// PATH: some have 30 directories.
constexpr std::size_t kPathVariableBytes = 4096;
// User: two names, as in useradd(8), and a colon.
constexpr std::size_t kUserBytes = 256;

// The image's own /etc/passwd and /etc/group: the longest real ones have some 10,000 lines.
constexpr std::size_t kAccountFileBytes = 1U << 20;
// Groups of one user; a kernel limit of 65,536 is there, real users have a dozen.
constexpr std::size_t kAdditionalGroups = 256;
// image.json: the image's config and a few lines of ours.
constexpr std::size_t kImageRecordBytes = 8U << 20;

}  // namespace image
