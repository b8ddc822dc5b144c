#include "oci/image/spool.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <thread>

#include "oci/sys/unique_fd.h"
#include "store_fixture.h"

namespace {

using image::Spool;

struct Place {
  fixture::TemporaryDirectory directory;
  sys::UniqueFd fd{::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
};

std::string piece(int number) {
  return std::to_string(number) + std::string(static_cast<std::size_t>(number % 700), '.');
}

std::string read_all(Spool& spool) {
  std::string all;
  for (;;) {
    const std::string_view bytes = spool.take();
    if (bytes.empty()) return all;
    all += bytes;
  }
}

}  // namespace

TEST_CASE("what was put comes out in order, through memory, through the file and round its ring") {
  const Place place;
  for (const image::SpoolBounds& bounds :
       {image::SpoolBounds{1 << 20, 1 << 20}, image::SpoolBounds{1000, 1 << 20},
        image::SpoolBounds{0, 1500}, image::SpoolBounds{2000, 1501}}) {
    Spool spool(place.fd.get(), bounds);
    std::string read;
    std::thread reader([&] { read = read_all(spool); });
    std::string put;
    for (int number = 0; number < 2000; ++number) {
      put += piece(number);
      CHECK(spool.put(piece(number)));
    }
    spool.close();
    reader.join();
    CHECK(read == put);
  }
}

TEST_CASE("the writer runs ahead up to the bounds, with no reader there") {
  const Place place;
  Spool spool(place.fd.get(), {1000, 10'000});
  for (int i = 0; i < 11; ++i) CHECK(spool.put(std::string(1000, 'a')));
  spool.close();
  CHECK(read_all(spool).size() == 11'000);
  CHECK(std::filesystem::is_empty(place.directory.path()));
}

TEST_CASE("when one side leaves, the other one does not wait") {
  const Place place;
  Spool full(place.fd.get(), {0, 1000});
  CHECK(full.put(std::string(1000, 'a')));
  std::thread reader([&] { full.leave(); });
  CHECK_FALSE(full.put("b"));
  reader.join();

  Spool empty(place.fd.get(), {1000, 1000});
  std::thread writer([&] { empty.leave(); });
  CHECK_THROWS_AS(empty.take(), std::system_error);
  writer.join();
}
