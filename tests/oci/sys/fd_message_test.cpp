#include "oci/sys/fd_message.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "oci/sys/file.h"

using sys::Arrival;

TEST_CASE("a message arrives whole, with its descriptors in order, and the next one after it") {
  const sys::MessagePair pair = sys::make_message_pair(1u << 20);
  const sys::Pipe pipe = sys::make_pipe();
  const std::string large(1u << 20, 'x');
  const int fds[] = {pipe.read_end.get(), pipe.write_end.get()};
  REQUIRE(sys::send_fd_message(pair.ours.get(), large, fds));
  REQUIRE(sys::send_fd_message(pair.ours.get(), "second", {}));

  sys::FdMessage message;
  REQUIRE(sys::receive_fd_message(pair.theirs.get(), 1u << 20, true, message) == Arrival::message);
  CHECK(message.bytes == large);
  REQUIRE(message.fds.size() == 2);
  for (const sys::UniqueFd& fd : message.fds) CHECK(::fcntl(fd.get(), F_GETFD) == FD_CLOEXEC);
  CHECK(::write(message.fds[1].get(), "y", 1) == 1);
  char byte = 0;
  CHECK(::read(message.fds[0].get(), &byte, 1) == 1);

  REQUIRE(sys::receive_fd_message(pair.theirs.get(), 1u << 20, true, message) == Arrival::message);
  CHECK(message.bytes == "second");
  CHECK(message.fds.empty());
}

TEST_CASE("what is not there yet is told from what will not come") {
  sys::MessagePair pair = sys::make_message_pair(4096);
  sys::FdMessage message;
  CHECK(sys::receive_fd_message(pair.ours.get(), 4096, false, message) == Arrival::nothing_yet);
  pair.theirs.reset();
  CHECK(sys::receive_fd_message(pair.ours.get(), 4096, false, message) == Arrival::ended);
  CHECK_FALSE(sys::send_fd_message(pair.ours.get(), "x", {}));
}

TEST_CASE("what was said before an end was closed is heard, whatever that end had not read") {
  sys::MessagePair pair = sys::make_message_pair(4096);
  REQUIRE(sys::send_fd_message(pair.ours.get(), "an order", {}));
  REQUIRE(sys::send_fd_message(pair.theirs.get(), "why not", {}));
  pair.theirs.reset();
  sys::FdMessage message;
  REQUIRE(sys::receive_fd_message(pair.ours.get(), 4096, false, message) == Arrival::message);
  CHECK(message.bytes == "why not");
  CHECK(sys::receive_fd_message(pair.ours.get(), 4096, false, message) == Arrival::ended);
}

TEST_CASE("a message that is too long is an error, and none of its descriptors stays open") {
  const sys::MessagePair pair = sys::make_message_pair(4096);
  const sys::Pipe pipe = sys::make_pipe();
  const int fds[] = {pipe.read_end.get()};
  REQUIRE(sys::send_fd_message(pair.ours.get(), "too long", fds));
  const std::size_t open_before = sys::list_directory("/proc/self/fd").size();
  sys::FdMessage message;
  CHECK_THROWS_AS(sys::receive_fd_message(pair.theirs.get(), 4, true, message), std::system_error);
  message.fds.clear();
  CHECK(sys::list_directory("/proc/self/fd").size() == open_before);
}

TEST_CASE("more room than the other end has is no reason to wait") {
  const sys::MessagePair pair = sys::make_message_pair(4096);
  const std::string part(4096, 'x');
  int sent = 0;
  while (sent < 10'000 && sys::send_fd_message(pair.ours.get(), part, {})) ++sent;
  CHECK(sent > 0);
  CHECK(sent < 10'000);
}
