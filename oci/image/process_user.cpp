// resolve_user: the image's own passwd(5) and group(5), which anybody may have written.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image/image.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"
#include "oci/image/tree.h"
#include "oci/sys/file.h"

namespace image {
namespace {

// The range that runc and Docker accept for a user of an image.
constexpr std::uint32_t kLargestId = 0x7FFFFFFF;

using Fields = std::vector<std::string_view>;

Fields split(std::string_view text, char separator) {
  Fields fields;
  for (;;) {
    const std::size_t end = text.find(separator);
    fields.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return fields;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id > kLargestId) {
    return std::nullopt;
  }
  return id;
}

// Empty if the image has no such file, or something else of that name.
std::string account_file(int root_fd, const std::string& path) {
  const auto fd = sys::open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd || !S_ISREG(stat_of(fd->get()).st_mode)) return {};
  return sys::read_fd(fd->get(), kAccountFileBytes, "the image's " + path);
}

struct Account {
  std::string_view name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string_view home;
};

// name:password:uid:gid:gecos:home:shell. A line that makes no sense is passed over, as getpwnam(3)
// does. A name is looked for before a number.
std::optional<Account> find_account(std::string_view passwd, std::string_view wanted) {
  const std::optional<std::uint32_t> wanted_id = parse_id(wanted);
  std::optional<Account> by_id;
  for (const std::string_view line : split(passwd, '\n')) {
    const Fields fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto uid = parse_id(fields[2]);
    const auto gid = parse_id(fields[3]);
    if (!uid || !gid) continue;
    const Account account{fields[0], *uid, *gid, fields.size() > 5 ? fields[5] : ""};
    if (account.name == wanted) return account;
    if (!by_id && wanted_id && account.uid == *wanted_id) by_id = account;
  }
  return by_id;
}

// name:password:gid:member,member.
std::optional<std::uint32_t> find_group(std::string_view group, std::string_view wanted) {
  for (const std::string_view line : split(group, '\n')) {
    const Fields fields = split(line, ':');
    if (fields.size() < 3 || fields[0] != wanted) continue;
    if (const auto gid = parse_id(fields[2])) return gid;
  }
  return parse_id(wanted);
}

std::vector<gid_t> groups_of(std::string_view group, const Account& account) {
  std::vector<gid_t> gids;
  for (const std::string_view line : split(group, '\n')) {
    const Fields fields = split(line, ':');
    if (fields.size() < 4) continue;
    const Fields members = split(fields[3], ',');
    const auto gid = parse_id(fields[2]);
    if (!gid || std::find(members.begin(), members.end(), account.name) == members.end()) continue;
    if (std::find(gids.begin(), gids.end(), *gid) == gids.end()) gids.push_back(*gid);
    if (gids.size() > kAdditionalGroups) {
      refuse("unknown_user", "the image's user '" + printable(account.name) + "' is in more than " +
                                 std::to_string(kAdditionalGroups) + " groups");
    }
  }
  return gids;
}

// It becomes $HOME: absolute, and nothing that could be more than a path.
std::string home_of(const Account& account) {
  const bool plain = account.home.starts_with('/') && account.home.size() <= kPathBytes &&
                     std::none_of(account.home.begin(), account.home.end(), [](char c) {
                       return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
                     });
  return plain ? std::string(account.home) : "/";
}

}  // namespace

ProcessUser resolve_user(const ImageConfig& config, const std::filesystem::path& root) {
  const std::string_view spec = config.user;
  const std::size_t colon = spec.find(':');
  const std::string_view user = spec.substr(0, colon);
  const std::string_view group = colon == std::string_view::npos ? "" : spec.substr(colon + 1);

  const sys::UniqueFd root_fd = sys::open_directory(root);
  const std::string passwd = account_file(root_fd.get(), "/etc/passwd");
  const std::string groups = account_file(root_fd.get(), "/etc/group");
  ProcessUser result;
  const std::optional<Account> account = find_account(passwd, user.empty() ? "0" : user);
  if (account) {
    result.uid = account->uid;
    result.gid = account->gid;
    result.home = home_of(*account);
  } else if (const auto uid = parse_id(user.empty() ? "0" : user)) {
    result.uid = *uid;
  } else {
    refuse("unknown_user", "the image's user '" + printable(user) +
                               "' is neither in its /etc/passwd nor a number up to 2147483647");
  }
  if (!group.empty()) {
    const auto gid = find_group(groups, group);
    if (!gid) {
      refuse("unknown_user", "the image's group '" + printable(group) +
                                 "' is neither in its /etc/group nor a number up to 2147483647");
    }
    result.gid = *gid;
  } else if (account) {
    result.additional_gids = groups_of(groups, *account);
  }
  return result;
}

}  // namespace image
