#include "faas-cli/doctor/network.h"

#include <doctest/doctest.h>

#include "host_tree.h"

namespace doctor = cli::doctor;
using doctor::Outcome;

TEST_CASE("subnets are read strictly") {
  const auto subnet = doctor::parse_subnet("127.77.0.0/16");
  REQUIRE(subnet);
  CHECK(subnet->contains(*sys::parse_ipv4("127.77.255.1")));
  CHECK_FALSE(subnet->contains(*sys::parse_ipv4("127.78.0.1")));
  CHECK(doctor::parse_subnet("0.0.0.0/0")->contains(*sys::parse_ipv4("9.9.9.9")));
  CHECK(doctor::parse_subnet("1.2.3.4/32")->contains(*sys::parse_ipv4("1.2.3.4")));
  CHECK_FALSE(doctor::parse_subnet("1.2.3.4/32")->contains(*sys::parse_ipv4("1.2.3.5")));
  for (const char* text : {"", "127.77.0.0", "127.77.0.0/", "127.77.0.0/33", "127.77.0.0/-1",
                           "127.77.0/16", "x/16", "127.77.0.0/16x"}) {
    CAPTURE(text);
    CHECK_FALSE(doctor::parse_subnet(text));
  }
}

TEST_CASE("an address in the subnet that faasd did not make is a collision") {
  const doctor::Host host;
  const sys::LoopbackAddress loopback{*sys::parse_ipv4("127.0.0.1"), "lo"};
  const sys::LoopbackAddress ours{*sys::parse_ipv4("127.77.0.10"), "lo:faas"};
  const sys::LoopbackAddress theirs{*sys::parse_ipv4("127.77.0.11"), "dummy0"};
  CHECK(doctor::judge_subnet(host, {}).outcome == Outcome::ok);
  CHECK(doctor::judge_subnet(host, {loopback, ours}).outcome == Outcome::ok);
  const doctor::Check collision = doctor::judge_subnet(host, {ours, theirs});
  CHECK(collision.outcome == Outcome::fail);
  CHECK(collision.finding.find("127.77.0.11 (dummy0)") != std::string::npos);
}

TEST_CASE("listeners on every address are told from the others") {
  const struct {
    const char* line;
    bool listens;
  } rows[] = {
      {"   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000", true},
      {"   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000", false},
      {"   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000", false},
      {"   0: 00000000:0050 00000000:0000 01 00000000:00000000 00:00000000", false},
      {"   0: 00000000000000000000000000000000:0050 0000:0000 0A 00000000:00000000", true},
      {"  sl  local_address rem_address   st tx_queue", false},
      {"", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.line);
    CHECK(doctor::listens_on_any(row.line, 80) == row.listens);
  }
}

TEST_CASE("an IPv4 listener on every address fails, an IPv6 one warns") {
  HostTree tree;
  CHECK(doctor::check_port(tree.host()).outcome == Outcome::ok);
  const std::string zeros(32, '0');
  tree.with("proc/net/tcp6", "   0: " + zeros + ":0050 " + zeros + ":0000 0A 0:0\n");
  CHECK(doctor::check_port(tree.host()).outcome == Outcome::warn);
  tree.with("proc/net/tcp", "   0: 00000000:0050 00000000:0000 0A 0:0\n");
  CHECK(doctor::check_port(tree.host()).outcome == Outcome::fail);
}
