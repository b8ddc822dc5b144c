#include "faasd/function/address_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "faasd/function/bounds.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace function {
namespace {

constexpr std::uint32_t kFirstHost = 10;  // the first ten stay free for people
constexpr int kLongestPrefix = 28;        // five addresses
constexpr int kShortestPrefix = 8;

[[noreturn]] void bad_subnet(std::string_view text, const std::string& why) {
  throw sys::Refused(sys::Refusal::invalid, "bad_subnet",
                     "'" + std::string(text) + "' is no subnet for functions: " + why +
                         "; write it as in 127.77.0.0/16");
}

}  // namespace

Subnet::Subnet(std::string_view text) : text_(text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) bad_subnet(text, "the prefix length is missing");
  const std::optional<sys::Ipv4> network = sys::parse_ipv4(text.substr(0, slash));
  if (!network) bad_subnet(text, "it has no IPv4 address");
  const std::string_view digits = text.substr(slash + 1);
  int prefix = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  if (error != std::errc() || end != digits.data() + digits.size() || prefix < kShortestPrefix ||
      prefix > kLongestPrefix) {
    bad_subnet(text, "the prefix length must be from /8 to /28");
  }
  const std::uint32_t hosts = (1U << (32 - prefix)) - 1;
  if ((network->bits & hosts) != 0) {
    bad_subnet(text, "the address has bits beyond the prefix; you may mean " +
                         sys::Ipv4{network->bits & ~hosts}.to_string() + "/" +
                         std::to_string(prefix));
  }
  first_ = sys::Ipv4{network->bits + kFirstHost};
  last_ = sys::Ipv4{network->bits + std::min(hosts - 1, kFirstHost + bounds::kMaxFunctions - 1)};
}

runtime::HostIds Subnet::host_ids(sys::Ipv4 address) const noexcept {
  return runtime::host_ids(address.bits - first_.bits);
}

AddressLease::AddressLease(AddressLease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), address_(other.address_) {}

AddressLease& AddressLease::operator=(AddressLease&& other) noexcept {
  if (this != &other) {
    release();
    pool_ = std::exchange(other.pool_, nullptr);
    address_ = other.address_;
  }
  return *this;
}

void AddressLease::release() noexcept {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->give_back(address_);
}

AddressPool::AddressPool(const Subnet& subnet, std::filesystem::path journal)
    : subnet_(subnet), journal_(std::move(journal)) {
  sys::make_directory(journal_, 0700);
  sys::bring_up_loopback();  // in a network namespace of our own it starts down
}

std::size_t AddressPool::remove_leftovers() {
  std::size_t removed = 0;
  std::set<sys::Ipv4> labelled;
  for (const sys::LoopbackAddress& present : sys::list_addresses()) {
    if (present.label == kLabel) labelled.insert(present.address);
  }
  for (const std::string& name : sys::list_directory(journal_)) {
    const std::optional<sys::Ipv4> address = sys::parse_ipv4(name);
    if (address && labelled.contains(*address)) {
      removed += sys::remove_loopback_address(*address) ? 1 : 0;
    }
    sys::remove_tree(journal_ / name);
  }
  return removed;
}

AddressLease AddressPool::lease() {
  const std::lock_guard lock(mutex_);
  sys::Ipv4 candidate = subnet_.first();
  while (leased_.contains(candidate) || reserved_.contains(candidate)) ++candidate.bits;
  if (!subnet_.contains(candidate)) {
    throw sys::Refused(sys::Refusal::exhausted, "no_address",
                       "every address of " + subnet_.to_string() +
                           " belongs to a function; remove "
                           "one with `faas rm`, or start faasd with a larger --subnet");
  }
  return take(candidate, sys::present_addresses());
}

AddressLease AddressPool::lease(sys::Ipv4 address) {
  return lease(address, sys::present_addresses());
}

AddressLease AddressPool::lease(sys::Ipv4 address, const std::set<sys::Ipv4>& present) {
  const std::lock_guard lock(mutex_);
  if (!subnet_.contains(address)) {
    throw sys::Refused(sys::Refusal::invalid, "outside_subnet",
                       address.to_string() + " lies outside --subnet " + subnet_.to_string() +
                           "; start faasd with the subnet that it came from, or deploy anew");
  }
  if (leased_.contains(address) || reserved_.contains(address)) {
    throw sys::Refused(sys::Refusal::conflict, "address_taken",
                       address.to_string() + " belongs to another function");
  }
  return take(address, present);
}

void AddressPool::reserve(sys::Ipv4 address) {
  const std::lock_guard lock(mutex_);
  reserved_.insert(address);
}

AddressLease AddressPool::lease_reserved(sys::Ipv4 address) {
  unreserve(address);
  try {
    return lease(address);
  } catch (...) {
    reserve(address);
    throw;
  }
}

void AddressPool::unreserve(sys::Ipv4 address) {
  const std::lock_guard lock(mutex_);
  reserved_.erase(address);
}

AddressLease AddressPool::take(sys::Ipv4 address, const std::set<sys::Ipv4>& present) {
  const std::filesystem::path entry = journal_ / address.to_string();
  sys::open_file(entry, O_WRONLY | O_CREAT, 0600);
  bool added = false;
  try {
    added = sys::add_loopback_address(address, kLabel, present);
  } catch (...) {
    ::unlink(entry.c_str());
    throw;
  }
  if (!added) {
    ::unlink(entry.c_str());
    throw sys::Refused(
        sys::Refusal::conflict, "address_taken",
        address.to_string() +
            " is already on an interface of this host, put there "
            "by somebody else; remove it (ip address del), or choose another --subnet");
  }
  leased_.insert(address);
  return {*this, address};
}

void AddressPool::give_back(sys::Ipv4 address) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    sys::remove_loopback_address(address);
    ::unlink((journal_ / address.to_string()).c_str());
  } catch (const std::exception&) {
    // It stays in the journal: the next start removes it.
  }
  leased_.erase(address);
}

}  // namespace function
