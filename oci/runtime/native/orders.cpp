#include "oci/runtime/native/orders.h"

namespace runtime::native {
namespace {

void put(Writer& writer, const std::vector<sys::IdRange>& ranges) {
  writer.number(ranges.size());
  for (const sys::IdRange& range : ranges) {
    writer.number(range.inside);
    writer.number(range.host);
    writer.number(range.count);
  }
}

std::vector<sys::IdRange> get_ranges(Reader& reader) {
  std::vector<sys::IdRange> ranges;
  for (std::uint64_t left = reader.number(); left > 0; --left) {
    sys::IdRange range;
    range.inside = reader.small_number();
    range.host = reader.small_number();
    range.count = reader.small_number();
    ranges.push_back(range);
  }
  return ranges;
}

void check_end(const Reader& reader) {
  if (!reader.at_end()) throw std::runtime_error("a message is too long");
}

}  // namespace

std::string SlotOrder::pack() const {
  Writer writer;
  writer.string(id);
  put(writer, ids.users);
  put(writer, ids.groups);
  writer.number(cgroup_v2 ? 1 : 0);
  return writer.bytes();
}

SlotOrder SlotOrder::unpack(std::string_view bytes) {
  Reader reader(bytes);
  SlotOrder order;
  order.id = reader.string();
  order.ids.users = get_ranges(reader);
  order.ids.groups = get_ranges(reader);
  order.cgroup_v2 = reader.number() != 0;
  check_end(reader);
  return order;
}

std::string LaunchOrder::pack() const {
  Writer writer;
  writer.strings(args);
  writer.strings(env);
  writer.string(working_dir);
  writer.number(uid);
  writer.number(gid);
  writer.number(groups.size());
  for (const std::uint32_t group : groups) writer.number(group);
  writer.number(limits.size());
  for (const ResourceLimit& limit : limits) {
    writer.number(limit.resource);
    writer.number(limit.value);
  }
  writer.string(tmpfs_options);
  writer.strings(grafts);
  writer.number(has_executor ? 1 : 0);
  writer.number(has_snapshot ? 1 : 0);
  return writer.bytes();
}

LaunchOrder LaunchOrder::unpack(std::string_view bytes) {
  Reader reader(bytes);
  LaunchOrder order;
  order.args = reader.strings();
  order.env = reader.strings();
  order.working_dir = reader.string();
  order.uid = reader.small_number();
  order.gid = reader.small_number();
  for (std::uint64_t left = reader.number(); left > 0; --left) {
    order.groups.push_back(reader.small_number());
  }
  for (std::uint64_t left = reader.number(); left > 0; --left) {
    const std::uint64_t resource = reader.number();
    order.limits.push_back({resource, reader.number()});
  }
  order.tmpfs_options = reader.string();
  order.grafts = reader.strings();
  order.has_executor = reader.number() != 0;
  order.has_snapshot = reader.number() != 0;
  check_end(reader);
  return order;
}

}  // namespace runtime::native
