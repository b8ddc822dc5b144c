#include "faasd/script/redis_store.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <stdexcept>
#include <string_view>

#include "oci/sys/error.h"

namespace script {
namespace {

namespace bounds = function::bounds;
using std::chrono::steady_clock;
using Words = std::vector<std::string_view>;

constexpr std::size_t kKeysPerScan = 1'000;
// Versions beyond the bound that one upload drops: go-faas drops none, so there may be many.
constexpr std::size_t kMaxDropped = 100;
// Of a version: below 2^53, which is what a number of Lua and JSON holds.
constexpr std::size_t kMaxDigits = 15;
constexpr const char* kMetaKeys = "meta:????????????????????????????????";  // not ":version"

// Before each of the scripts, behind the bounds. An error with CORRUPT in it is of the data.
constexpr std::string_view kPrelude = R"lua(
local function field(key, name, most)
  if redis.call('HSTRLEN', key, name) > most then
    error('CORRUPT: its ' .. name .. ' is too long', 0)
  end
  return redis.call('HGET', key, name)
end
local function version_of(text)
  if #text > MAX_DIGITS or not string.match(text, '^[1-9]%d*$') then
    error('CORRUPT: a version is no number', 0)
  end
  return text
end
local function code_size(key)
  local size = redis.call('STRLEN', key)
  if size > MAX_CODE then error('CORRUPT: its code is too long', 0) end
  return size
end
)lua";

// KEYS: meta. ARGV: md5, path, version or ''.
constexpr std::string_view kFind = R"lua(
if field(KEYS[1], 'path', MAX_PATH) ~= ARGV[2] then return false end
local version = ARGV[3]
if version == '' then
  version = version_of(field(KEYS[1], 'latest', MAX_DIGITS) or '')
end
local key = 'code:' .. ARGV[1] .. ':' .. version
code_size(key)
local code = redis.call('GET', key)
if not code then return false end
local ours = 'faasd:' .. ARGV[1] .. ':' .. version
return {version, code, field(KEYS[1], 'language', MAX_LANGUAGE) or '',
        field(ours, 'code', 40) or '', field(ours, 'language', MAX_LANGUAGE) or '',
        field(ours, 'compiled', MAX_COMPILED) or ''}
)lua";

// KEYS: meta, set of versions. ARGV: md5, path, language, code, compiled, SHA-1 of code, now.
// Everything that may fail for what it finds comes before the first write. A version of go-faas has
// the language of its path; if that changes, the latest one is told its own.
constexpr std::string_view kAdd = R"lua(
local meta, set, md5 = KEYS[1], KEYS[2], ARGV[1]
if (field(meta, 'path', MAX_PATH) or ARGV[2]) ~= ARGV[2] then
  error('CORRUPT: its key is that of another path', 0)
end
local version, latest = tonumber(ARGV[7]), field(meta, 'latest', MAX_DIGITS)
if latest then version = math.max(version, tonumber(version_of(latest)) + 1) end
local newest = redis.call('SORT', set, 'DESC', 'LIMIT', 0, 1)[1]
if newest then version = math.max(version, tonumber(version_of(newest)) + 1) end
version = string.format('%.0f', version)
local language, earlier = field(meta, 'language', MAX_LANGUAGE), false
if latest and language and language ~= ARGV[3] then
  local key, ours = 'code:' .. md5 .. ':' .. latest, 'faasd:' .. md5 .. ':' .. latest
  if code_size(key) > 0 then
    local sum = redis.sha1hex(redis.call('GET', key))
    if field(ours, 'code', 40) ~= sum then earlier = {ours, sum} end
  end
end
redis.call('SET', 'code:' .. md5 .. ':' .. version, ARGV[4])
if earlier then
  redis.call('DEL', earlier[1])
  redis.call('HSET', earlier[1], 'language', language, 'code', earlier[2])
end
redis.call('DEL', 'faasd:' .. md5 .. ':' .. version)
redis.call('HSET', 'faasd:' .. md5 .. ':' .. version,
           'language', ARGV[3], 'compiled', ARGV[5], 'code', ARGV[6])
redis.call('SADD', set, version)
redis.call('HSET', meta, 'path', ARGV[2], 'language', ARGV[3], 'latest', version)
local over = math.min(redis.call('SCARD', set) - MAX_VERSIONS, MAX_DROPPED)
if over > 0 then
  for _, old in ipairs(redis.call('SORT', set, 'LIMIT', 0, over)) do
    redis.call('DEL', 'code:' .. md5 .. ':' .. old, 'faasd:' .. md5 .. ':' .. old)
    redis.call('SREM', set, old)
  end
end
return version
)lua";

// KEYS: code, ours. ARGV: language, compiled, SHA-1 of code.
constexpr std::string_view kKeepCompiled = R"lua(
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSET', KEYS[2], 'language', ARGV[1], 'compiled', ARGV[2], 'code', ARGV[3])
)lua";

// KEYS: meta, set of versions. ARGV: path.
constexpr std::string_view kVersions = R"lua(
if field(KEYS[1], 'path', MAX_PATH) ~= ARGV[1] then return false end
local found = redis.call('SORT', KEYS[2], 'DESC', 'LIMIT', 0, MAX_VERSIONS)
for _, version in ipairs(found) do version_of(version) end
table.insert(found, 1, version_of(field(KEYS[1], 'latest', MAX_DIGITS) or ''))
table.insert(found, 2, field(KEYS[1], 'language', MAX_LANGUAGE) or '')
return found
)lua";

// KEYS: some that may be meta. What is none is left out: one bad key must not hide the others.
constexpr std::string_view kDescribe = R"lua(
local found = {}
for _, key in ipairs(KEYS) do
  if redis.call('TYPE', key).ok == 'hash' then
    local good, path, language, latest = pcall(function()
      return field(key, 'path', MAX_PATH), field(key, 'language', MAX_LANGUAGE),
             version_of(field(key, 'latest', MAX_DIGITS) or '')
    end)
    if good and path and language then
      found[#found + 1] = path
      found[#found + 1] = language
      found[#found + 1] = latest
    end
  end
end
return found
)lua";

// KEYS: meta, set of versions. ARGV: md5. Also removes what is of the wrong type.
constexpr std::string_view kRemove = R"lua(
local versions = redis.pcall('SMEMBERS', KEYS[2])
if versions.err then versions = {} end
local latest = redis.pcall('HGET', KEYS[1], 'latest')
if type(latest) == 'string' then versions[#versions + 1] = latest end
for _, version in ipairs(versions) do
  redis.call('DEL', 'code:' .. ARGV[1] .. ':' .. version, 'faasd:' .. ARGV[1] .. ':' .. version)
end
return redis.call('DEL', KEYS[1], KEYS[2])
)lua";

std::string hex_digest(const EVP_MD* kind, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), sum.data(), &size, kind, nullptr) != 1) {
    throw std::runtime_error("libcrypto offers no MD5 or no SHA-1, which the keys in Redis need");
  }
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[sum[i] >> 4];
    hex += "0123456789abcdef"[sum[i] & 15];
  }
  return hex;
}

std::string with_prelude(std::string_view script) {
  std::string text;
  const std::pair<const char*, std::size_t> numbers[] = {
      {"MAX_PATH", bounds::kMaxScriptPath},
      {"MAX_LANGUAGE", bounds::kMaxLanguageBytes},
      {"MAX_CODE", bounds::kMaxCodeBytes},
      {"MAX_COMPILED", bounds::kMaxCompiledBytes},
      {"MAX_VERSIONS", bounds::kMaxScriptVersions},
      {"MAX_DROPPED", kMaxDropped},
      {"MAX_DIGITS", kMaxDigits}};
  for (const auto& [name, number] : numbers) {
    text += "local " + std::string(name) + " = " + std::to_string(number) + "\n";
  }
  return text.append(kPrelude).append(script);
}

// 0 for what is no version.
std::uint64_t version_from(std::string_view text) {
  std::uint64_t version = 0;
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, version);
  return problem == std::errc() && rest == end && text.size() <= kMaxDigits ? version : 0;
}

// Texts, and nothing else; how many there are is said by the scripts above.
bool are_texts(const RedisReply& reply) {
  return reply.kind == RedisReply::Kind::list &&
         std::all_of(reply.list.begin(), reply.list.end(),
                     [](const RedisReply& each) { return each.kind == RedisReply::Kind::text; });
}

bool fits(std::string_view path, std::string_view language) {
  return path.size() <= bounds::kMaxScriptPath && language.size() <= bounds::kMaxLanguageBytes;
}

// The keys of a path.
struct Place {
  explicit Place(const std::string& path) : md5(hex_digest(EVP_md5(), path)) {}

  std::string code(std::uint64_t version) const {
    return "code:" + md5 + ":" + std::to_string(version);
  }
  std::string ours(std::uint64_t version) const {
    return "faasd:" + md5 + ":" + std::to_string(version);
  }

  std::string md5;
  std::string meta = "meta:" + md5;
  std::string versions = meta + ":version";
};

}  // namespace

RedisStore::RedisStore(const RedisAddress& address, std::chrono::milliseconds patience,
                       std::chrono::milliseconds pause)
    : client_(address, patience, pause), list_patience_(5 * patience) {}

// `meta` is for the message if Redis finds something else below it than it should.
RedisReply RedisStore::ask(const Words& words, const std::string& meta) {
  RedisReply reply = client_.ask(words);
  if (reply.kind != RedisReply::Kind::error) return reply;
  for (const char* of_data : {"CORRUPT", "WRONGTYPE", "converted into double"}) {
    if (reply.text.find(of_data) == std::string::npos) continue;
    throw sys::Refused(sys::Refusal::failed, "corrupt_script",
                       "what " + name() + " holds under " + meta + " and its like is no script (" +
                           reply.text + "): remove the script, or mend it there");
  }
  client_.refuse("it says: " + reply.text);
}

// The scripts above answer in one way only, wherever there is a Redis that runs them.
void RedisStore::expect(bool good) const {
  if (good) return;
  throw sys::Refused(sys::Refusal::failed, "corrupt_store",
                     name() +
                         " has answered what it was not asked: is that a Redis, and one that "
                         "nothing stands before?");
}

std::uint64_t RedisStore::add(const Upload& upload) {
  check_bounds(upload);
  static const std::string eval = with_prelude(kAdd);
  const Place place(upload.path);
  const std::string sha1 = hex_digest(EVP_sha1(), upload.code);
  const std::string now = std::to_string(version_now());
  const RedisReply reply =
      ask({"EVAL", eval, "2", place.meta, place.versions, place.md5, upload.path, upload.language,
           upload.code, upload.compiled, sha1, now},
          place.meta);
  const std::uint64_t version = version_from(reply.text);
  expect(reply.kind == RedisReply::Kind::text && version > 0);
  return version;
}

std::optional<Script> RedisStore::find(const std::string& path,
                                       std::optional<std::uint64_t> version) {
  static const std::string eval = with_prelude(kFind);
  const Place place(path);
  const std::string wanted = version ? std::to_string(*version) : "";
  RedisReply reply = ask({"EVAL", eval, "1", place.meta, place.md5, path, wanted}, place.meta);
  if (reply.kind == RedisReply::Kind::nothing) return std::nullopt;
  expect(are_texts(reply) && reply.list.size() == 6);
  Script script;
  script.path = path;
  script.version = version_from(reply.list[0].text);
  script.code = std::move(reply.list[1].text);
  script.language = std::move(reply.list[2].text);
  // go-faas may have put other code into a version of ours, in the same second.
  if (hex_digest(EVP_sha1(), script.code) == reply.list[3].text) {
    script.language = std::move(reply.list[4].text);
    script.compiled = std::move(reply.list[5].text);
  }
  expect(script.version > 0 && (!version || script.version == *version));
  expect(fits(path, script.language) && script.code.size() <= bounds::kMaxCodeBytes &&
         script.compiled.size() <= bounds::kMaxCompiledBytes);
  return script;
}

void RedisStore::keep_compiled(const Script& script) {
  check_bounds(script);
  const Place place(script.path);
  const std::string sha1 = hex_digest(EVP_sha1(), script.code);
  ask({"EVAL", kKeepCompiled, "2", place.code(script.version), place.ours(script.version),
       script.language, script.compiled, sha1},
      place.meta);
}

std::optional<Versions> RedisStore::versions(const std::string& path) {
  static const std::string eval = with_prelude(kVersions);
  const Place place(path);
  const RedisReply reply = ask({"EVAL", eval, "2", place.meta, place.versions, path}, place.meta);
  if (reply.kind == RedisReply::Kind::nothing) return std::nullopt;
  expect(are_texts(reply) && reply.list.size() >= 2 &&
         reply.list.size() <= 2 + bounds::kMaxScriptVersions);
  Versions versions;
  versions.path = path;
  versions.latest = version_from(reply.list[0].text);
  versions.language = reply.list[1].text;
  expect(versions.latest > 0 && fits(path, versions.language));
  for (std::size_t i = 2; i < reply.list.size(); ++i) {
    versions.versions.push_back(version_from(reply.list[i].text));
    expect(versions.versions.back() > 0);
  }
  return versions;
}

std::vector<Listed> RedisStore::list(const std::string& after, std::size_t most) {
  static const std::string eval = with_prelude(kDescribe);
  const std::string at_once = std::to_string(kKeysPerScan);
  const steady_clock::time_point deadline = steady_clock::now() + list_patience_;
  most = std::min(most, bounds::kMaxListedScripts);
  std::map<std::string, Listed> first;  // by path; SCAN may give a key twice
  std::string cursor = "0";
  do {
    if (steady_clock::now() > deadline) client_.refuse("it holds too many keys to list scripts");
    const RedisReply scanned =
        ask({"SCAN", cursor, "MATCH", kMetaKeys, "COUNT", at_once}, "meta:*");
    expect(scanned.list.size() == 2 && scanned.list[0].kind == RedisReply::Kind::text &&
           are_texts(scanned.list[1]));
    cursor = scanned.list[0].text;
    const std::vector<RedisReply>& keys = scanned.list[1].list;
    const std::string count = std::to_string(keys.size());
    Words words{"EVAL", eval, count};
    for (const RedisReply& key : keys) words.push_back(key.text);
    const RedisReply described = ask(words, "meta:*");
    expect(are_texts(described) && described.list.size() % 3 == 0 &&
           described.list.size() <= 3 * keys.size());
    for (std::size_t i = 0; i < described.list.size(); i += 3) {
      const std::string& path = described.list[i].text;
      const std::string& language = described.list[i + 1].text;
      const std::uint64_t latest = version_from(described.list[i + 2].text);
      expect(fits(path, language) && latest > 0);
      if (path <= after) continue;
      first[path] = {path, language, latest};
      if (first.size() > most) first.erase(std::prev(first.end()));
    }
  } while (cursor != "0");
  std::vector<Listed> scripts;
  scripts.reserve(first.size());
  for (const auto& [path, listed] : first) scripts.push_back(listed);
  return scripts;
}

bool RedisStore::remove(const std::string& path) {
  const Place place(path);
  const RedisReply reply =
      ask({"EVAL", kRemove, "2", place.meta, place.versions, place.md5}, place.meta);
  expect(reply.kind == RedisReply::Kind::number);
  return reply.number > 0;
}

}  // namespace script
