// Leases touch `lo`, so every case runs on a thread with a network namespace of its own.
#include "faasd/function/address_pool.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <thread>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "tests/support/scratch.h"

namespace {

void in_own_network(const std::function<void()>& body) {
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      MESSAGE("SKIP: a network namespace needs root");
      return;
    }
    sys::bring_up_loopback();
    body();
  }).join();
}

bool on_loopback(const char* text) {
  for (const auto& present : sys::list_addresses()) {
    if (present.address.to_string() == text) return true;
  }
  return false;
}

std::string code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const sys::Refused& refused) {
    return refused.code();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("subnets are read strictly, and start at their tenth address") {
  CHECK(function::Subnet("127.77.0.0/16").first().to_string() == "127.77.0.10");
  CHECK(function::Subnet("127.77.0.0/19").last().to_string() == "127.77.31.254");
  CHECK(function::Subnet("10.0.0.0/28").last().to_string() == "10.0.0.14");
  for (const char* bad : {"", "127.77.0.0", "127.77.0.0/", "127.77.0.0/29", "127.77.0.0/7",
                          "127.77.0.1/16", "127.77.0.0/16x", "127.77.0/16", "::1/64", "0/0"}) {
    CAPTURE(bad);
    CHECK(code_of([&] { function::Subnet{bad}; }) == "bad_subnet");
  }
}

TEST_CASE("no two addresses of a subnet share an id of the host, and none lies outside our range") {
  const function::Subnet subnet("127.77.0.0/16");
  CHECK(subnet.last().bits - subnet.first().bits + 1 == runtime::kHostIdRanges);
  const runtime::HostIds first = subnet.host_ids(subnet.first());
  const runtime::HostIds second = subnet.host_ids({subnet.first().bits + 1});
  const runtime::HostIds last = subnet.host_ids(subnet.last());
  CHECK(first.first == runtime::kFirstHostId);
  CHECK(second.first == first.first + runtime::kHostIds);
  CHECK(last.first + runtime::kHostIds - 1 == runtime::kLastHostId);
  CHECK(first.first_high == runtime::kFirstHighHostId);
  CHECK(second.first_high == first.first_high + runtime::kHighHostIds);
  CHECK(last.first_high + runtime::kHighHostIds == runtime::kFirstHostId);
}

TEST_CASE("leases go up one by one, and a released one is the next") {
  in_own_network([] {
    const support::Scratch scratch;
    function::AddressPool pool(function::Subnet("127.77.0.0/16"), scratch.path() / "journal");
    std::optional<function::AddressLease> first = pool.lease();
    const function::AddressLease second = pool.lease();
    CHECK(first->address().to_string() == "127.77.0.10");
    CHECK(second.address().to_string() == "127.77.0.11");
    CHECK(on_loopback("127.77.0.10"));
    first.reset();
    CHECK_FALSE(on_loopback("127.77.0.10"));
    CHECK(pool.lease().address().to_string() == "127.77.0.10");
  });
}

TEST_CASE("a full pool says so, and what is free again is given again") {
  in_own_network([] {
    const support::Scratch scratch;
    function::AddressPool pool(function::Subnet("10.9.8.0/28"), scratch.path() / "journal");
    std::vector<function::AddressLease> leases;
    leases.reserve(5);
    for (int i = 0; i < 5; ++i) leases.push_back(pool.lease());
    CHECK(code_of([&] { pool.lease(); }) == "no_address");
    leases.erase(leases.begin() + 2);
    CHECK(pool.lease().address().to_string() == "10.9.8.12");
  });
}

TEST_CASE("an address of somebody else is refused and stays") {
  in_own_network([] {
    const support::Scratch scratch;
    sys::add_loopback_address(*sys::parse_ipv4("127.77.0.10"), "lo");
    function::AddressPool pool(function::Subnet("127.77.0.0/16"), scratch.path() / "journal");
    CHECK(code_of([&] { pool.lease(); }) == "address_taken");
    CHECK(pool.remove_leftovers() == 0);
    CHECK(on_loopback("127.77.0.10"));
  });
}

TEST_CASE("many addresses are leased with one look at the host's interfaces") {
  in_own_network([] {
    const support::Scratch scratch;
    sys::add_loopback_address(*sys::parse_ipv4("127.77.0.11"), "lo");
    function::AddressPool pool(function::Subnet("127.77.0.0/16"), scratch.path() / "journal");
    const std::set<sys::Ipv4> present = sys::present_addresses();
    const auto lease = [&](const char* address) {
      return pool.lease(*sys::parse_ipv4(address), present);
    };
    const function::AddressLease first = lease("127.77.0.10");
    CHECK(on_loopback("127.77.0.10"));
    CHECK(code_of([&] { lease("127.77.0.10"); }) == "address_taken");  // ours, since the look
    CHECK(code_of([&] { lease("127.77.0.11"); }) == "address_taken");
    const function::AddressLease third = lease("127.77.0.12");
    CHECK(on_loopback("127.77.0.12"));
  });
}

TEST_CASE("after a crash exactly the addresses of the journal leave, and only with our label") {
  in_own_network([] {
    const support::Scratch scratch;
    const auto journal = scratch.path() / "journal";
    function::AddressPool pool(function::Subnet("127.77.0.0/16"), journal);
    for (const char* address : {"127.77.0.10", "127.77.0.11", "127.77.0.12"}) {
      sys::add_loopback_address(*sys::parse_ipv4(address),
                                std::string(address) == "127.77.0.12" ? "lo" : "lo:faas");
    }
    // .10 is ours; .11 has our label, but is another daemon's; .12 was taken over by a person.
    std::ofstream(journal / "127.77.0.10") << "";
    std::ofstream(journal / "127.77.0.12") << "";
    CHECK(pool.remove_leftovers() == 1);
    CHECK_FALSE(on_loopback("127.77.0.10"));
    CHECK(on_loopback("127.77.0.11"));
    CHECK(on_loopback("127.77.0.12"));
    CHECK(sys::list_directory(journal).empty());
  });
}

TEST_CASE("an address outside the subnet, or of another function, is not leased") {
  in_own_network([] {
    const support::Scratch scratch;
    function::AddressPool pool(function::Subnet("127.77.0.0/16"), scratch.path() / "journal");
    CHECK(code_of([&] { pool.lease(*sys::parse_ipv4("127.78.0.10")); }) == "outside_subnet");
    const function::AddressLease lease = pool.lease(*sys::parse_ipv4("127.77.0.20"));
    CHECK(code_of([&] { pool.lease(*sys::parse_ipv4("127.77.0.20")); }) == "address_taken");
  });
}
