#include "oci/sys/subprocess.h"

#include <doctest/doctest.h>

#include <csignal>
#include <system_error>

#include "oci/sys/file.h"

namespace {

std::string output_of(std::vector<std::string> argv) {
  sys::Pipe pipe = sys::make_pipe();
  sys::SubprocessOptions options;
  options.argv = std::move(argv);
  options.stdout_fd = pipe.write_end.get();
  sys::Subprocess process(options);
  pipe.write_end.reset();
  std::string text = sys::read_fd(pipe.read_end.get(), 1 << 20, "output");
  CHECK(process.wait().success());
  return text;
}

}  // namespace

TEST_CASE("a child gets the descriptors it was given and no other") {
  sys::prepare_descriptor_table();  // of whoever started this test
  const sys::Pipe extra = sys::make_pipe();
  // ls itself holds one more: the directory it reads.
  CHECK(output_of({"/bin/ls", "/proc/self/fd"}) == "0\n1\n2\n3\n");
}

TEST_CASE("a child gets a fourth descriptor if it was given one") {
  sys::prepare_descriptor_table();
  const sys::Pipe fourth = sys::make_pipe();
  sys::write_all(fourth.write_end.get(), "from the fourth\n", "the pipe");
  sys::Pipe output = sys::make_pipe();
  sys::SubprocessOptions options;
  options.argv = {"/bin/sh", "-c", "read line <&3; echo $line; ls /proc/self/fd"};
  options.stdout_fd = output.write_end.get();
  options.fourth_fd = fourth.read_end.get();
  sys::Subprocess process(options);
  output.write_end.reset();
  CHECK(sys::read_fd(output.read_end.get(), 1 << 20, "output") ==
        "from the fourth\n0\n1\n2\n3\n4\n");
  CHECK(process.wait().success());
}

TEST_CASE("a child gets the environment it was given and nothing of ours") {
  ::setenv("FAASD_TEST_SECRET", "1", 1);
  CHECK(output_of({"/usr/bin/env"}) ==
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
}

TEST_CASE("how a child ended is told apart") {
  sys::SubprocessOptions options;
  options.argv = {"/bin/sh", "-c", "exit 3"};
  const sys::ExitStatus exited = sys::Subprocess(options).wait();
  CHECK(exited.describe() == "exit status 3");
  options.argv = {"/bin/sh", "-c", "kill -9 $$"};
  const sys::ExitStatus killed = sys::Subprocess(options).wait();
  CHECK(killed.signaled);
  CHECK(killed.value == SIGKILL);
}

TEST_CASE("a program that is not there is an error that names it") {
  sys::SubprocessOptions options;
  options.argv = {"/nonexistent/runc"};
  CHECK_THROWS_WITH_AS(sys::Subprocess{options},
                       "start /nonexistent/runc: No such file or directory", std::system_error);
}

TEST_CASE("a child that is dropped is killed and reaped") {
  pid_t pid = 0;
  {
    sys::SubprocessOptions options;
    options.argv = {"/usr/bin/tail", "-f", "/dev/null"};
    pid = sys::Subprocess(options).pid();
  }
  CHECK(::kill(pid, 0) == -1);
}
