// The addresses of functions: a subnet, which of it are leased, and each lease's address on the
// loopback interface. What is put there is first written down in the run directory, so that after a
// crash exactly our own addresses are removed, and nobody else's. Thread-safe.
#pragma once

#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "oci/runtime/host_ids.h"
#include "oci/sys/netlink.h"

namespace function {

// "127.77.0.0/16": the first address is network + 10, the last the one before broadcast, or that of
// the last function that there may be.
class Subnet {
 public:
  // Throws sys::Refused(invalid, "bad_subnet") with what is wrong; at least a /28 is needed.
  explicit Subnet(std::string_view text);

  sys::Ipv4 first() const noexcept { return first_; }
  sys::Ipv4 last() const noexcept { return last_; }
  bool contains(sys::Ipv4 address) const noexcept { return first_ <= address && address <= last_; }
  const std::string& to_string() const noexcept { return text_; }

  // The host's user and group ids that go with an address: whoever leases it has them too.
  runtime::HostIds host_ids(sys::Ipv4 address) const noexcept;

 private:
  std::string text_;
  sys::Ipv4 first_;
  sys::Ipv4 last_;
};

class AddressPool;

// One address that is ours as long as this lives; then it leaves the interface.
class AddressLease {
 public:
  AddressLease() = default;
  AddressLease(AddressLease&& other) noexcept;
  AddressLease& operator=(AddressLease&& other) noexcept;
  ~AddressLease() { release(); }

  sys::Ipv4 address() const noexcept { return address_; }
  void release() noexcept;

 private:
  friend class AddressPool;
  AddressLease(AddressPool& pool, sys::Ipv4 address) : pool_(&pool), address_(address) {}
  AddressPool* pool_ = nullptr;
  sys::Ipv4 address_;
};

class AddressPool {
 public:
  static constexpr const char* kLabel = "lo:faas";

  // `journal` is a directory with one empty file per address that is on the interface.
  AddressPool(const Subnet& subnet, std::filesystem::path journal);

  const Subnet& subnet() const noexcept { return subnet_; }

  // Removes addresses that a dead daemon left, by its journal. Call it before the first lease.
  // Returns how many.
  std::size_t remove_leftovers();

  // The lowest free address. Throws sys::Refused(exhausted, "no_address") if all are leased,
  // (conflict, "address_taken") if somebody else has put it on an interface.
  AddressLease lease();
  // A certain one, as after a restart. Throws the same, and (invalid, "outside_subnet").
  AddressLease lease(sys::Ipv4 address);
  // The same for one of very many, with what sys::present_addresses() said before the first.
  AddressLease lease(sys::Ipv4 address, const std::set<sys::Ipv4>& present);
  // Keeps an address from being leased: it belongs to a function that could not be started.
  void reserve(sys::Ipv4 address);
  // For that function after all; throws as the others do, and it stays reserved.
  AddressLease lease_reserved(sys::Ipv4 address);
  void unreserve(sys::Ipv4 address);

 private:
  friend class AddressLease;
  AddressLease take(sys::Ipv4 address, const std::set<sys::Ipv4>& present);
  void give_back(sys::Ipv4 address) noexcept;

  Subnet subnet_;
  std::filesystem::path journal_;
  std::mutex mutex_;  // guards what follows
  std::set<sys::Ipv4> leased_;
  std::set<sys::Ipv4> reserved_;
};

}  // namespace function
