// Containers and what they try: tests/e2e/sockets_test.py. Here is what comes from a runtime.
#include "oci/runtime/connect_broker.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/socket.h"
#include "tests/support/scratch.h"

namespace {

const sys::Log& quiet() {
  static const sys::Log log(sys::LogLevel::error, sys::LogFormat::text);
  return log;
}

sockaddr_un unix_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

// As a runtime does it: a message with a descriptor, then the end.
class Runtime {
 public:
  explicit Runtime(const std::filesystem::path& socket)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = unix_address(socket);
    REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  void say(std::string_view text, int descriptor) {
    REQUIRE(sys::send_descriptor(fd_.get(), text, descriptor));
  }
  void end() { fd_.reset(); }

 private:
  sys::UniqueFd fd_;
};

// A process whose connect(2) is trapped, as a container's is. Between fork and _exit it makes
// nothing but system calls.
class Caller {
 public:
  // It connects to `server` as soon as it has sent what `listener()` and, if the address is to be
  // `withheld`, `page()` return.
  Caller(const sockaddr_un& server, bool withheld) {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    messages_ = sys::UniqueFd(pair[0]);
    const sys::UniqueFd theirs(pair[1]);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) ::_exit(run(theirs.get(), server, withheld));
  }
  ~Caller() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // Of its filter. Empty if it can have none, or no userfaultfd(2).
  sys::UniqueFd listener() { return next(); }
  // A userfaultfd(2) for the page with the address: whoever reads that, waits.
  sys::UniqueFd page() { return next(); }

  // What its connect has come to: an errno, or 0.
  int error() {
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
  }

 private:
  sys::UniqueFd next() {
    pollfd sent{messages_.get(), POLLIN, 0};
    ::poll(&sent, 1, -1);
    return std::move(sys::receive_parcel(messages_.get()).fd);
  }

  static int run(int messages, const sockaddr_un& server, bool withheld) {
    ::alarm(60);  // a test that fails ends, too
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const void* address = &server;
    int page_faults = -1;
    if (withheld) {
      constexpr std::size_t kPage = 4096;
      void* const page =
          ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      page_faults = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC));
      uffdio_api api{};
      api.api = UFFD_API;
      uffdio_register range{};
      range.range = {reinterpret_cast<std::uintptr_t>(page), kPage};
      range.mode = UFFDIO_REGISTER_MODE_MISSING;
      if (::ioctl(page_faults, UFFDIO_API, &api) != 0 ||
          ::ioctl(page_faults, UFFDIO_REGISTER, &range) != 0) {
        return errno;
      }
      address = page;
    }
    sock_filter only_connect[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{sizeof only_connect / sizeof only_connect[0], only_connect};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const int listener = static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                                    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    if (listener < 0 || !send(messages, listener)) return errno;
    if (withheld && !send(messages, page_faults)) return errno;
    return ::connect(socket, static_cast<const sockaddr*>(address), sizeof server) == 0 ? 0 : errno;
  }

  static bool send(int socket, int descriptor) {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return ::sendmsg(socket, &message, 0) == 1;
  }

  pid_t pid_ = -1;
  sys::UniqueFd messages_;
};

// Whether the other end of a pipe has been closed by all who had it. Waits for it.
bool is_closed(int read_end) {
  char byte = 0;
  return ::read(read_end, &byte, 1) == 0;
}

}  // namespace

TEST_CASE("what a runtime sends is closed if it is no listener, or of nobody we know") {
  if (::geteuid() != 0) {
    MESSAGE("SKIP: a root directory of one's own needs root");
    return;
  }
  const support::Scratch scratch;
  runtime::ConnectBroker broker(scratch.path() / "broker.sock", quiet());
  const runtime::ConnectBroker::Client client(broker, "known");
  for (const std::string state : {"", "no JSON", "[]", R"({"metadata":7})",
                                  R"({"metadata":"another"})", R"({"metadata":"known"})"}) {
    CAPTURE(state);
    sys::Pipe pipe = sys::make_pipe();
    Runtime runtime(broker.socket());
    runtime.say(state.empty() ? " " : state, pipe.write_end.get());
    pipe.write_end.reset();
    runtime.end();
    CHECK(is_closed(pipe.read_end.get()));
  }
  CHECK(client.escapes() == 0);
}

TEST_CASE("a runtime that says nothing stands in nobody's way") {
  if (::geteuid() != 0) {
    MESSAGE("SKIP: a root directory of one's own needs root");
    return;
  }
  const support::Scratch scratch;
  runtime::ConnectBroker broker(scratch.path() / "broker.sock", quiet());
  const Runtime silent(broker.socket());
  sys::Pipe pipe = sys::make_pipe();
  Runtime runtime(broker.socket());
  runtime.say("{}", pipe.write_end.get());
  pipe.write_end.reset();
  CHECK(is_closed(pipe.read_end.get()));  // though its connection goes on
}

TEST_CASE("a socket whose path runtimes cannot write is refused, and names the flag") {
  const support::Scratch scratch;
  const std::filesystem::path deep = scratch.path() / std::string(100, 'd');
  std::filesystem::create_directory(deep);
  try {
    const runtime::ConnectBroker broker(deep / "broker.sock", quiet());
    FAIL("made");
  } catch (const sys::Refused& refused) {
    CHECK(refused.code() == "long_path");
    CHECK(std::string(refused.what()).find("--run-dir") != std::string::npos);
  }
}

TEST_CASE("a container that withholds its address keeps nobody else waiting") {
  if (::geteuid() != 0) {
    MESSAGE("SKIP: a root directory of one's own needs root");
    return;
  }
  const support::Scratch scratch;
  runtime::ConnectBroker broker(scratch.path() / "broker.sock", quiet());
  const sys::UniqueFd directory = sys::open_directory(scratch.path());
  const sys::UniqueFd server = sys::listen_unix(directory.get(), "server", 0600, 8);
  const sockaddr_un address = unix_address(scratch.path() / "server");

  const runtime::ConnectBroker::Client of_slow(broker, "slow");
  const runtime::ConnectBroker::Client of_quick(broker, "quick");
  Caller slow(address, true);
  Runtime runtime_of_slow(broker.socket());
  const sys::UniqueFd listener_of_slow = slow.listener();
  if (!listener_of_slow) {
    MESSAGE("SKIP: this kernel has no userfaultfd");
    return;
  }
  runtime_of_slow.say(R"({"metadata":"slow"})", listener_of_slow.get());
  // Its address is being read now, and that will not come to an end.
  uffd_msg fault{};
  REQUIRE(::read(slow.page().get(), &fault, sizeof fault) == sizeof fault);

  Caller quick(address, false);
  Runtime runtime_of_quick(broker.socket());
  runtime_of_quick.say(R"({"metadata":"quick"})", quick.listener().get());
  CHECK(quick.error() == 0);
}

TEST_CASE("a broker that cannot start leaves nothing, and says what to do") {
  if (::geteuid() != 0) {
    MESSAGE("SKIP: a root directory of one's own needs root");
    return;
  }
  const support::Scratch scratch;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_SIGPENDING, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_SIGPENDING, &none) == 0);
  std::string reason;
  try {
    const runtime::ConnectBroker broker(scratch.path() / "broker.sock", quiet());
  } catch (const sys::Refused& refused) {
    reason = refused.what();
  }
  REQUIRE(::setrlimit(RLIMIT_SIGPENDING, &before) == 0);
  CHECK(reason.find("SigQ") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(scratch.path() / "broker.sock"));
}
