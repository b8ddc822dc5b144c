#include "faas-cli/progress_bar.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "oci/sys/unique_fd.h"

using cli::Progress;
using cli::render_progress;
using Phase = cli::Progress::Phase;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

}  // namespace

TEST_CASE("a known size gives percent and a bar") {
  CHECK(render_progress({Phase::uploading, 50 * kMiB, 100 * kMiB, 2}, 80) ==
        "uploading  [==============>             ]  50%  50 MiB / 100 MiB  25 MiB/s");
  CHECK(render_progress({Phase::uploading, 100 * kMiB, 100 * kMiB, 2}, 80) ==
        "uploading  [============================] 100%  100 MiB / 100 MiB  50 MiB/s");
  CHECK(render_progress({Phase::uploading, 0, 100 * kMiB, 0}, 80) ==
        "uploading  [>                           ]   0%  0 B / 100 MiB");
}

TEST_CASE("an unknown size gives bytes and a rate") {
  CHECK(render_progress({Phase::uploading, 3 * kMiB, std::nullopt, 2}, 80) ==
        "uploading  3 MiB  1.5 MiB/s");
}

TEST_CASE("more than was announced is not more than all") {
  const std::string line = render_progress({Phase::uploading, 200, 100, 1}, 80);
  CHECK(line.find("100%") != std::string::npos);
}

TEST_CASE("the line fits the terminal, however narrow") {
  const Progress progress{Phase::uploading, 50 * kMiB, 100 * kMiB, 2};
  for (int columns = 0; columns < 120; ++columns) {
    CHECK(render_progress(progress, columns).size() <= static_cast<std::size_t>(columns));
  }
  CHECK(render_progress(progress, 50) == "uploading   50%  50 MiB / 100 MiB  25 MiB/s");
}

TEST_CASE("waiting and unpacking count the seconds") {
  CHECK(render_progress({Phase::waiting, 0, std::nullopt, 3.9}, 80) ==
        "waiting for the tarball  3 s");
  CHECK(render_progress({Phase::unpacking, 2 * kMiB, std::nullopt, 1}, 80) ==
        "unpacking  2 MiB sent  1 s");
}

TEST_CASE("nothing is written where no terminal is") {
  sys::Pipe pipe = sys::make_pipe();
  {
    cli::ProgressBar bar(pipe.write_end.get(), 100);
    bar.enter(Phase::uploading);
    bar.set_bytes(50);
    bar.enter(Phase::unpacking);
  }
  pipe.write_end.reset();
  char byte = 0;
  CHECK(::read(pipe.read_end.get(), &byte, 1) == 0);
}
