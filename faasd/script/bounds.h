// Every bound of scripts, with its reason. What a script may use of the machine are the limits of
// its language, a function; function/bounds.h.
#pragma once

#include <chrono>
#include <cstddef>

namespace script::bounds {

using std::chrono::milliseconds;
using std::chrono::seconds;

// go-faas's own default of what a script's code may have; --code-max-size.
inline constexpr std::size_t kCodeBytes = 256u << 10;
// Its input: a page of a web API is far below; a file is better fetched by who calls.
inline constexpr std::size_t kMaxInputBytes = 1u << 20;
// The reply of a script with its result, and of a compiler with what it made.
inline constexpr std::size_t kMaxReplyBytes = 4u << 20;
// What is kept of a run's output, of both streams, for its client; the rest is read and dropped.
inline constexpr std::size_t kMaxOutputBytes = 1u << 20;
// Of output and replies of all runs that are kept: a thousand scripts that write as much as they
// may must not cost the daemon gigabytes. One function has at most half of it, so that a language
// whose scripts hoard does not take it from the others.
inline constexpr std::size_t kMaxKeptBytes = 256u << 20;
inline constexpr std::size_t kMaxKeptOfFunction = kMaxKeptBytes / 2;
// What every run may have besides, of output and as much of a reply, whatever the others have
// taken: most need no more. As many runs as there are connections to the API have 128 MiB of it.
inline constexpr std::size_t kOwnBytes = 32u << 10;
// After a run that found no memory left for more: streams that are kept have then made room.
inline constexpr seconds kMemoryRetry{5};
// Of it, in the answer of one that failed: the last words say most, and it stays an error message.
inline constexpr std::size_t kErrorOutputBytes = 64u << 10;
// A line costs that beyond its bytes, or empty ones would be for nothing. It also bounds events.
inline constexpr std::size_t kLineCost = 64;
// A line that goes on is cut there: a client should not have to hold more for one event.
inline constexpr std::size_t kMaxLineBytes = 64u << 10;
// JSON that nests deeper is refused: parsers of languages recurse, and Python's gives up there.
inline constexpr std::size_t kMaxJsonDepth = 1'000;
// Members of an object that means something: a request, a result, an error. None has a dozen, and
// each costs many times what is written.
inline constexpr std::size_t kMaxJsonMembers = 32;
// Beyond the times of a program's stages: to put its files in place, and to say how it ended.
inline constexpr milliseconds kProgramMargin{5'000};
// What the request of a program may have; faas-execute takes no more.
inline constexpr std::size_t kMaxProgramBytes = 16u << 20;
// Its files, and its arguments: execve(2) takes few more, and each costs beyond its bytes.
inline constexpr std::size_t kMaxProgramParts = 10'000;
// Of the requests of all clients while they are read, and of what is made of them until their
// scripts have read it: a thousand of the largest must not cost the daemon gigabytes.
inline constexpr std::size_t kMaxRequestBytes = 256u << 20;
// How long a client may take for a request: so long, and a second for so many bytes of it.
inline constexpr milliseconds kRequestPatience{30'000};
inline constexpr std::size_t kRequestBytesPerSecond = 512u << 10;
// A path of an uploaded script.
inline constexpr std::size_t kMaxPathBytes = 1'000;

// After its reply a script has ended, or goes on and is ended.
inline constexpr milliseconds kRest{1'000};
// How often it is looked whether who waits for a result has left …
inline constexpr milliseconds kLook{100};
// … and for how long a stream's script goes on without its client, which may come back.
inline constexpr milliseconds kWithoutClient{600};
// For how long, and with how many bytes in all, a stream that has ended can be asked for again.
inline constexpr seconds kKeepEnded{30};
inline constexpr std::size_t kKeepBytes = 32u << 20;
// What a stream takes of its run at once, but for one line that is longer: each reader has a copy.
inline constexpr std::size_t kNewsBytes = 16u << 10;
// Who can be with one run at once: it has one client, which may have come back before all that it
// left behind was noticed.
inline constexpr std::size_t kMaxAudiences = 16;
// A client, and the proxies between, hear that a silent stream lives.
inline constexpr seconds kHeartbeat{10};

}  // namespace script::bounds
