// Every bound of the daemon, with its reason. What is imported has its own in oci/image/quota.h;
// what one function may use is function::Limits, and the ceilings for those are here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "oci/runtime/host_ids.h"

namespace function::bounds {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Functions: each costs one listener, one address and 65,536 of the host's ids; 10,000 fit a
// default table of descriptors only with a raised limit, which `faas doctor` looks at.
inline constexpr std::uint32_t kMaxFunctions = runtime::kHostIdRanges;
// Instances of all functions at once: at 128 pids each, far under the kernel's default pid_max.
inline constexpr std::size_t kMaxInstances = 8'192;
// Descriptors of the daemon that an instance holds: two pipes, its process, its filter's calls. Of
// the default LimitNOFILE of 65,536 that leaves room for all there may be; with fewer, connections
// wait.
inline constexpr std::size_t kDescriptorsOfInstance = 4;
// What else the daemon needs them for: itself, launches under way, deploys, callers.
inline constexpr std::size_t kOtherDescriptors = 512;
// Connections of all functions that wait: each is one descriptor and a queue entry.
inline constexpr std::size_t kMaxQueued = 8'192;
// Launches at once, per processor: a launch alternates between computing and waiting for the kernel
// (grace periods of cgroups and namespaces); with fewer the processors idle, with many more every
// launch only gets slower. See docs/PERFORMANCE.md.
inline constexpr std::size_t kLaunchesPerProcessor = 4;

// Instances that one function may keep parked: with more, a burst is better queued.
inline constexpr std::uint32_t kMaxWarm = 256;
// … all functions together, and what they may take of the host's memory: the 1/nth of it.
inline constexpr std::size_t kMaxParked = 1'024;
inline constexpr std::uint64_t kParkedShareOfMemory = 8;
// And a sixteenth for snapshots: some hundred interpreters on a small host.
inline constexpr std::uint64_t kSnapshotShareOfMemory = 16;
// An instance that nobody waits for is to ask for its connection, or to have made its snapshot, in
// that time, or sooner where its function has less: launches ahead are few at once, and one that
// hangs is not to keep all others from theirs.
inline constexpr seconds kWarmUp{30};
// How often parked instances are looked at: whether they are still wanted, and what they take.
inline constexpr milliseconds kPoolLook{1'000};
// After a launch for a pool that came to nothing, and doubled with each in a row, up to …
inline constexpr milliseconds kFillPause{500};
inline constexpr milliseconds kMaxFillPause{60'000};
// With --warm auto: how long a pool is kept for a function that has come once, and how long at
// least and at most for one whose habits are known.
inline constexpr seconds kFirstKeepAlive{30};
inline constexpr seconds kMinKeepAlive{2};
inline constexpr seconds kMaxKeepAlive{600};

// The kernel's own backlog of connections that are not accepted yet, per function.
inline constexpr int kListenBacklog = 1'024;
// Connections taken from one listener before others get their turn.
inline constexpr int kAcceptsPerTurn = 64;
// No descriptor was left to accept with: how long to leave the listener alone.
inline constexpr milliseconds kAcceptPause{100};

// Ceilings of what a deploy may ask for.
inline constexpr std::uint64_t kMinMemoryBytes = 4ULL << 20;  // below, runc itself does not start
inline constexpr std::uint64_t kMaxMemoryBytes = 1ULL << 40;
inline constexpr double kMinCpus = 0.01;  // 1 ms of 100, the kernel's smallest quota
inline constexpr double kMaxCpus = 1'024;
inline constexpr std::uint32_t kMinPids = 16;  // runc has some ten threads itself until it is left
inline constexpr std::uint32_t kMaxPids = 32'768;
inline constexpr std::uint64_t kMinTmpfsBytes = 4'096;
inline constexpr std::uint32_t kMinOpenFiles = 16;  // what runc has open itself until it is left
inline constexpr std::uint32_t kMaxOpenFiles = 1u << 20;  // fs.nr_open, unless it was raised
inline constexpr std::uint64_t kMinFileBytes = 4'096;
inline constexpr milliseconds kMinTimeout{1};
inline constexpr milliseconds kMaxTimeout{24 * 3'600'000};
inline constexpr std::uint32_t kMaxConcurrency = 8'192;
inline constexpr std::uint32_t kMaxQueue = 8'192;
inline constexpr std::size_t kMaxEnvEntries = 1'024;
inline constexpr std::size_t kMaxEnvBytes = 128u << 10;  // of one entry: MAX_ARG_STRLEN, execve(2)
inline constexpr std::size_t kMaxEnvTotalBytes = 1u << 20;

// What is said of a language: a command with its flags fits well, and a list of aliases.
inline constexpr std::size_t kMaxLanguageWord = 1'024;
inline constexpr std::size_t kMaxLanguageWords = 64;

// Versions of a function that may be kept, the current one included: people go back one or two, and
// each keeps an image on the disk.
inline constexpr std::size_t kMaxKeptVersions = 100;
// The number of a version: the largest that every reader of JSON holds exactly, 2^53.
inline constexpr std::uint64_t kMaxVersion = 1ULL << 53;
// A function's file. One version takes at most 7 MiB: environment and command, each byte of them
// written as \u0001. Earlier versions that find no room are dropped before their time.
inline constexpr std::size_t kMaxFunctionFile = 16u << 20;

// What is kept of one line of output; the rest is read and dropped, so that a handler never blocks
// on it. Of all that an instance writes, Limits::output_bytes.
// What a line costs in the log beyond its own bytes: time, function, instance. It counts, or a
// handler that writes newlines alone would cost 150 times what it writes.
inline constexpr std::size_t kLoggedLineCost = 160;
inline constexpr std::size_t kMaxLoggedLine = 4u << 10;

// What is kept of a function's invocations: two files of this size for receipts, two for output. At
// 600 bytes a receipt the last 400 at least; 1 MiB a function that is used, so 10 GiB if there are
// 10,000 of them and all are busy.
inline constexpr std::size_t kJournalFileBytes = 256u << 10;
inline constexpr std::uint64_t kMaxOutputBytes = kJournalFileBytes;  // of one stream: it must fit
// What waits for the disk, of all functions: with output up to the first, receipts get the rest, or
// a flood of output would push them out.
inline constexpr std::size_t kMaxWaitingOutputBytes = 4u << 20;
inline constexpr std::size_t kMaxWaitingRecordBytes = 8u << 20;
// How long somebody who looks waits for what was added before; a disk that hangs keeps nobody.
inline constexpr milliseconds kJournalPatience{1'000};
// Records that one look gives: more than there can be room for.
inline constexpr std::size_t kMaxTail = 10'000;
// Deploys at once. The disk is what bounds them, and two of them fill it.
inline constexpr std::size_t kMaxDeploys = 64;
// Followers at once: each has a thread, and costs the journal a copy of every record.
inline constexpr std::size_t kMaxFollowers = 16;
// What waits for one follower: the lines of one look, and a burst.
inline constexpr std::size_t kMaxFollowerBytes = 1u << 20;
// How often a follower that hears nothing is looked at: whether it has left, or the daemon stops …
inline constexpr milliseconds kFollowerLook{250};
// … and is told that the connection lives, which proxies end after a minute of silence.
inline constexpr seconds kHeartbeat{10};
// The kernel tells how many bytes a connection carried when it destroys the socket: at once, unless
// the client reads nothing. For so long its receipt waits.
inline constexpr milliseconds kTrafficPatience{50};

// What a store of scripts keeps, and what it believes of what somebody else has put there. Code is
// a source file that a person sends; what a language makes of it is seldom more than twice that.
inline constexpr std::size_t kMaxCodeBytes = 8u << 20;
inline constexpr std::size_t kMaxCompiledBytes = 16u << 20;
inline constexpr std::size_t kMaxScriptPath = 4'096;  // PATH_MAX, since a path it is
inline constexpr std::size_t kMaxLanguageBytes = 64;
// Versions kept of one path, the oldest go: at an upload a minute the last 16 hours, and at the
// default CODE_MAX_SIZE 256 MiB of disk.
inline constexpr std::size_t kMaxScriptVersions = 1'000;
// Paths that one look gives: 5 MiB of memory at most, with the longest paths.
inline constexpr std::size_t kMaxListedScripts = 1'000;
// How long an operation on a store may take; beyond, the store counts as not there. People wait.
inline constexpr milliseconds kStorePatience{2'000};
// … and for how long after that nobody but one even tries.
inline constexpr milliseconds kStorePause{500};

// After an answer of the daemon's own (502, 503, 504): how long and how much of the client's
// request is read and dropped, so that closing does not reset the connection before the answer is
// read.
inline constexpr milliseconds kLingerTime{2'000};
inline constexpr std::size_t kLingerBytes = 1u << 20;
inline constexpr std::size_t kMaxLingering = 1'024;

// A container that was killed and whose cgroup still has processes: pauses between two looks.
inline constexpr milliseconds kSweepPause{5};
// … and for how long before the log complains; it is tried on.
inline constexpr seconds kSweepPatience{10};
// Descriptors looked at when a deadline takes the client's socket back from a container.
inline constexpr std::size_t kMaxTakeBackFds = 4'096;

// At the end: how long callers of the control API may finish what they do.
inline constexpr milliseconds kApiGrace{2'000};

// Retry-After of a 503, in seconds: never "at once", never so long that nobody comes back.
inline constexpr std::int64_t kMinRetryAfter = 1;
inline constexpr std::int64_t kMaxRetryAfter = 60;

}  // namespace function::bounds
