// How libFuzzer changes inputs that are tars: by members, and with checksums that are right again
// afterwards; bytes flipped at random would only ever find the code that checks a checksum. What is
// no tar (a compressed one) is changed as bytes. Two layers are kept apart (layers.h).
// Source: POSIX pax(1), ustar Interchange Format; libFuzzer, "structure-aware fuzzing".
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "oci/image/tar_headers.h"
#include "tests/fuzz/layers.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t most);

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameAt = 0;
constexpr std::size_t kModeAt = 100;
constexpr std::size_t kSizeAt = 124;
constexpr std::size_t kChecksumAt = 148;
constexpr std::size_t kTypeAt = 156;
constexpr std::size_t kLinkAt = 157;
constexpr std::size_t kMagicAt = 257;
constexpr std::size_t kPrefixAt = 345;
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kPrefixBytes = 155;

// Places that must not be reached, and names that layers give a meaning to.
constexpr std::array<std::string_view, 28> kNames = {"a",
                                                     "b",
                                                     "a/b",
                                                     "a/b/c",
                                                     "/",
                                                     ".",
                                                     "..",
                                                     "../x",
                                                     "a/../../x",
                                                     "/mnt/canary/etc/passwd",
                                                     "/mnt/canary",
                                                     "../canary",
                                                     "../../canary",
                                                     "link",
                                                     "link/file",
                                                     ".wh.a",
                                                     ".wh..",
                                                     "a/.wh.b",
                                                     "a/.wh...",
                                                     "a/.wh..wh..opq",
                                                     ".wh..wh..opq",
                                                     ".wh..wh.aufs",
                                                     ".wh..wh..implied",
                                                     "a/.wh..wh..implied",
                                                     "proc",
                                                     "control.sock",
                                                     "srv/a",
                                                     "tmp/x"};
constexpr std::string_view kTypes("0123456789xgLKSVDAX\0", 20);
constexpr std::array<std::string_view, 24> kRecords = {
    "path=a/b",
    "path=../x",
    "path=\xff\xfe",
    "linkpath=../../canary/file",
    "linkpath=a",
    "size=1",
    "size=9223372036854775807",
    "size=-1",
    "uid=4294967294",
    "uid=4294967296",
    "gid=-1",
    "mtime=-1.5",
    "mtime=99999999999.999999999",
    "SCHILY.xattr.user.a=b",
    "SCHILY.xattr.security.capability=\x01\x02\x03",
    "SCHILY.xattr.trusted.overlay.opaque=y",
    "LIBARCHIVE.xattr.user.a=Yg",
    "GNU.sparse.map=0,1,1000,1",
    "GNU.sparse.size=2000",
    "GNU.sparse.major=1",
    "GNU.sparse.minor=0",
    "GNU.sparse.realsize=2000",
    "GNU.sparse.name=s",
    "GNU.sparse.numblocks=2"};

using Random = std::minstd_rand;

std::size_t below(Random& random, std::size_t bound) {
  return bound == 0 ? 0 : random() % bound;
}

struct Member {
  std::string header;
  std::string body;  // padding included
};

struct Tar {
  std::vector<Member> members;
  std::string tail;  // the end mark and what follows it
};

std::size_t stated_size(std::string_view header) {
  std::size_t size = 0;
  const char* const field = header.data() + kSizeAt;
  const auto [end, error] = std::from_chars(field, field + 11, size, 8);
  return error == std::errc() && end != field ? size : 0;
}

Tar parse(std::string_view bytes) {
  Tar tar;
  while (bytes.size() >= kBlock && bytes.front() != '\0') {
    Member member{std::string(bytes.substr(0, kBlock)), {}};
    bytes.remove_prefix(kBlock);
    const std::size_t body =
        std::min((stated_size(member.header) + kBlock - 1) / kBlock * kBlock, bytes.size());
    member.body = bytes.substr(0, body);
    bytes.remove_prefix(body);
    tar.members.push_back(std::move(member));
  }
  tar.tail = bytes;
  return tar;
}

void put_octal(Member& member, std::size_t at, std::size_t digits, std::size_t value) {
  for (std::size_t i = digits; i-- > 0; value /= 8) {
    member.header[at + i] = static_cast<char>('0' + value % 8);
  }
  member.header[at + digits] = '\0';
}

void put_text(Member& member, std::size_t at, std::size_t size, std::string_view text) {
  text = text.substr(0, size);
  std::fill_n(member.header.begin() + static_cast<std::ptrdiff_t>(at), size, '\0');
  member.header.replace(at, text.size(), text);
}

void put_checksum(Member& member) {
  std::fill_n(member.header.begin() + kChecksumAt, 8, ' ');
  std::size_t sum = 0;
  for (const char c : member.header) sum += static_cast<unsigned char>(c);
  put_octal(member, kChecksumAt, 6, sum);
}

void put_body(Member& member, std::string body) {
  put_octal(member, kSizeAt, 11, body.size());
  body.resize((body.size() + kBlock - 1) / kBlock * kBlock);
  member.body = std::move(body);
}

std::string join(const Tar& tar) {
  std::string bytes;
  for (Member member : tar.members) {
    put_checksum(member);
    bytes += member.header + member.body;
  }
  return bytes + tar.tail;
}

// A name that some member has, or one of the table.
std::string any_name(const Tar& tar, Random& random) {
  if (!tar.members.empty() && random() % 2 == 0) {
    const Member& member = tar.members[below(random, tar.members.size())];
    const char* const name = member.header.data() + kNameAt;
    return {name, ::strnlen(name, kNameBytes)};
  }
  return std::string(kNames.at(below(random, kNames.size())));
}

Member new_member(const Tar& tar, char type, Random& random) {
  Member member{std::string(kBlock, '\0'), {}};
  put_text(member, kNameAt, kNameBytes, any_name(tar, random));
  put_octal(member, kModeAt, 7, random() % 4096);
  put_octal(member, kSizeAt, 11, 0);
  member.header[kTypeAt] = type;
  member.header.replace(kMagicAt, 8, "ustar\00000", 8);
  if (type == '1' || type == '2') put_text(member, kLinkAt, kNameBytes, any_name(tar, random));
  if (type == '0') put_body(member, std::string(below(random, 700), 'c'));
  return member;
}

// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
std::string record(std::string_view text) {
  std::size_t length = text.size() + 3;
  while (std::to_string(length).size() + text.size() + 2 != length) ++length;
  return std::to_string(length) + " " + std::string(text) + "\n";
}

Member new_pax_header(const Tar& tar, Random& random) {
  Member member = new_member(tar, random() % 8 == 0 ? 'g' : 'x', random);
  std::string body;
  for (std::size_t i = 0; i <= below(random, 3); ++i) {
    body += record(kRecords.at(below(random, kRecords.size())));
  }
  put_body(member, body);
  return member;
}

void mutate_bytes(std::string& bytes, std::size_t room) {
  const std::size_t size = bytes.size();
  bytes.resize(size + room);
  auto* const data = reinterpret_cast<std::uint8_t*>(bytes.data());
  bytes.resize(LLVMFuzzerMutate(data, size, size + room));
}

void mutate_member(Tar& tar, Member& member, Random& random) {
  switch (random() % 8) {
    case 0:
      put_text(member, kPrefixAt, kPrefixBytes, "");
      return put_text(member, kNameAt, kNameBytes, any_name(tar, random));
    case 1:
      return put_text(member, kLinkAt, kNameBytes, any_name(tar, random));
    case 2:
      return put_text(member, kPrefixAt, kPrefixBytes, any_name(tar, random));
    case 3:
      member.header[kTypeAt] = kTypes[below(random, kTypes.size())];
      return;
    case 4:
      return put_octal(member, kSizeAt, 11, below(random, 3000));
    case 5: {
      std::string body = member.body;
      mutate_bytes(body, 64);
      return put_body(member, std::move(body));
    }
    case 6:
      return mutate_bytes(member.body, 0);
    default:
      mutate_bytes(member.header, 0);
      member.header.resize(kBlock);
      return;
  }
}

void mutate_members(Tar& tar, Random& random) {
  constexpr std::string_view kNewTypes = "0012555";
  const auto at = [&] {
    return tar.members.begin() + static_cast<std::ptrdiff_t>(below(random, tar.members.size() + 1));
  };
  if (tar.members.empty() || random() % 8 == 0) {
    tar.members.insert(at(), new_member(tar, kNewTypes[below(random, 7)], random));
    return;
  }
  const std::size_t one = below(random, tar.members.size());
  switch (random() % 8) {
    case 0:
      tar.members.insert(at(), Member(tar.members[one]));
      return;
    case 1:
      std::swap(tar.members[one], tar.members[below(random, tar.members.size())]);
      return;
    case 2:
      tar.members.erase(tar.members.begin() + static_cast<std::ptrdiff_t>(one));
      return;
    case 3:
      tar.members.insert(tar.members.begin() + static_cast<std::ptrdiff_t>(one),
                         new_pax_header(tar, random));
      return;
    default:
      mutate_member(tar, tar.members[one], random);
  }
}

std::string mutate_tar(std::string_view bytes, Random& random) {
  Tar tar = parse(bytes);
  for (std::size_t i = 0; i <= below(random, 3); ++i) mutate_members(tar, random);
  if (random() % 32 == 0) mutate_bytes(tar.tail, 16);
  return join(tar);
}

bool looks_like_tar(std::string_view bytes) {
  return bytes.empty() || image::is_tar_block(bytes);
}

std::size_t give_back(const std::string& bytes, std::uint8_t* data, std::size_t most) {
  const std::size_t size = std::min(bytes.size(), most);
  std::copy_n(bytes.data(), size, data);
  return size;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  Random random(seed);
  const std::string input(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> layers;
  for (const std::string_view layer : fuzz::split_layers(input)) layers.emplace_back(layer);
  std::string& chosen = layers[below(random, layers.size())];
  if (!looks_like_tar(chosen) || random() % 16 == 0) return LLVMFuzzerMutate(data, size, most);
  chosen = mutate_tar(chosen, random);
  if (layers.size() < fuzz::kMostLayers && random() % 16 == 0) {
    layers.push_back(mutate_tar(chosen, random));
  }
  std::string output;
  for (const std::string& layer : layers) {
    if (&layer != &layers.front()) output += fuzz::kLayerSeparator;
    output += layer;
  }
  return give_back(output, data, most);
}

// The members of both, one after the other: links of one meet the names of the other.
extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* one, std::size_t one_size,
                                                 const std::uint8_t* other, std::size_t other_size,
                                                 std::uint8_t* out, std::size_t most,
                                                 unsigned seed) {
  Random random(seed);
  const std::string_view first(reinterpret_cast<const char*>(one), one_size);
  const std::string_view second(reinterpret_cast<const char*>(other), other_size);
  if (random() % 4 == 0) {
    return give_back(std::string(first) + std::string(fuzz::kLayerSeparator) + std::string(second),
                     out, most);
  }
  if (!looks_like_tar(first) || !looks_like_tar(second)) {
    return give_back(std::string(second), out, most);
  }
  Tar mixed = parse(first);
  for (Member& member : parse(second).members) {
    if (random() % 2 == 0) continue;
    mixed.members.insert(mixed.members.begin() +
                             static_cast<std::ptrdiff_t>(below(random, mixed.members.size() + 1)),
                         std::move(member));
  }
  return give_back(join(mixed), out, most);
}
