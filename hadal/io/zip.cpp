#include "hadal/io/zip.h"

#include <set>

#include "hadal/io/bytes.h"

namespace hadal {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kDirectory = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr size_t kEndSize = 22, kLocatorSize = 20;
constexpr uint16_t kZip64Extra = 1, kPaddingExtra = 0x4246;  // "FB", as PyTorch names its padding
constexpr size_t kAlignment = 64;

struct Directory {
  uint64_t count, size, offset;
};

/// The end record lies at the very end, but for a comment of up to 64 KiB.
size_t find_end(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() >= kEndSize) {
    const auto lowest = bytes.size() - std::min<size_t>(bytes.size(), kEndSize + UINT16_MAX);
    for (auto at = bytes.size() - kEndSize + 1; at-- > lowest;) {
      uint32_t signature;
      std::memcpy(&signature, bytes.data() + at, sizeof signature);
      if (signature == kEnd) return at;
    }
  }
  throw FileError(name, "a zip archive without its directory at the end: cut off or damaged");
}

Directory read_end(std::span<const std::byte> bytes, const std::string& name) {
  const auto end = find_end(bytes, name);
  Cursor cursor(bytes, name, end + 4);
  const auto disk = cursor.read<uint16_t>(), first_disk = cursor.read<uint16_t>();
  cursor.take(2);
  Directory out{cursor.read<uint16_t>(), 0, 0};
  out.size = cursor.read<uint32_t>();
  out.offset = cursor.read<uint32_t>();
  if (out.count == UINT16_MAX || out.size == UINT32_MAX || out.offset == UINT32_MAX) {
    if (end < kLocatorSize) cursor.fail_here("no room for the zip64 locator");
    Cursor locator(bytes, name, end - kLocatorSize);
    if (locator.read<uint32_t>() == kLocator64) {
      locator.take(4);
      const auto place = locator.read<uint64_t>();
      if (place > bytes.size()) locator.fail_here("the zip64 directory lies outside of the file");
      Cursor end64(bytes, name, place);
      if (end64.read<uint32_t>() != kEnd64) end64.fail_here("no zip64 end record here");
      end64.take(28);
      out.count = end64.read<uint64_t>();
      out.size = end64.read<uint64_t>();
      out.offset = end64.read<uint64_t>();
      return out;
    }
  }
  if (disk != 0 || first_disk != 0) throw FileError(name, "a zip archive in several volumes cannot be read");
  return out;
}

/// Values that do not fit 32 bits stand in the zip64 field, in this order, if their 32 bits are all ones.
void read_zip64(std::span<const std::byte> extra, const std::string& name, std::initializer_list<uint64_t*> values) {
  Cursor cursor(extra, name);
  while (cursor.left() >= 4) {
    const auto kind = cursor.read<uint16_t>(), length = cursor.read<uint16_t>();
    const auto field = cursor.take(length);
    if (kind != kZip64Extra) continue;
    Cursor numbers(field, name);
    for (auto* value : values)
      if (*value == UINT32_MAX) *value = numbers.read<uint64_t>();
  }
}

/// One directory entry; the local header says where its bytes begin.
StoredEntry read_entry(Cursor& cursor, std::span<const std::byte> bytes, const std::string& file) {
  if (cursor.read<uint32_t>() != kDirectory) cursor.fail_here("no zip directory entry here");
  cursor.take(4);
  const auto flags = cursor.read<uint16_t>(), method = cursor.read<uint16_t>();
  cursor.take(8);
  uint64_t packed = cursor.read<uint32_t>(), size = cursor.read<uint32_t>();
  const auto name_length = cursor.read<uint16_t>(), extra_length = cursor.read<uint16_t>(),
             comment_length = cursor.read<uint16_t>();
  cursor.take(8);
  uint64_t offset = cursor.read<uint32_t>();
  StoredEntry out{std::string(cursor.take_text(name_length)), {}, method};
  read_zip64(cursor.take(extra_length), file, {&size, &packed, &offset});
  cursor.take(comment_length);
  if (method == 0 && packed != size)
    throw FileError(file, fmt::format("entry {} is stored and has two sizes", shown(out.name)));
  if (flags & 1) throw FileError(file, fmt::format("entry {} is encrypted", shown(out.name)));
  if (offset > bytes.size()) cursor.fail_here(fmt::format("entry {} lies outside of the file", shown(out.name)));
  Cursor local(bytes, file, offset);
  if (local.read<uint32_t>() != kLocal) local.fail_here(fmt::format("entry {} does not begin here", shown(out.name)));
  local.take(22);
  const auto local_name = local.read<uint16_t>(), local_extra = local.read<uint16_t>();
  local.take(size_t{local_name} + local_extra);
  out.bytes = local.take(packed);
  return out;
}

template <class T>
void append_field(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

uint32_t clipped(bool large, uint64_t value) { return large ? UINT32_MAX : static_cast<uint32_t>(value); }

/// What local headers and directory entries share: version, flags, method, time, checksum.
std::string common_fields(uint32_t crc, bool zip64) {
  constexpr uint16_t kUtf8Names = 0x0800, kDay = 33;  // 1 January 1980: equal tensors give equal files
  std::string out;
  append_field<uint16_t>(out, zip64 ? 45 : 20);
  append_field<uint16_t>(out, kUtf8Names);
  append_field<uint16_t>(out, 0);
  append_field<uint16_t>(out, 0);
  append_field<uint16_t>(out, kDay);
  append_field(out, crc);
  return out;
}

}  // namespace

std::span<const std::byte> StoredEntry::content(const std::string& file) const {
  if (method != 0)
    throw FileError(file, fmt::format("entry {} is compressed (method {}); PyTorch stores its tensors as they are. "
                                      "Repack it: unzip it, then zip -0 -r",
                                      shown(name), method));
  return bytes;
}

std::vector<StoredEntry> read_stored_zip(std::span<const std::byte> bytes, const std::string& name) {
  const auto directory = read_end(bytes, name);
  if (directory.offset > bytes.size() || directory.size > bytes.size() - directory.offset)
    throw FileError(name, "the zip directory lies outside of the file: cut off or damaged");
  Cursor cursor(bytes.first(directory.offset + directory.size), name, directory.offset);
  std::vector<StoredEntry> out;
  std::set<std::string> names;
  // Entries that share bytes would let a small file claim a large content.
  uint64_t left = bytes.size();
  for (uint64_t i = 0; i < directory.count; ++i) {
    out.push_back(read_entry(cursor, bytes, name));
    const auto& entry = out.back();
    if (!names.insert(entry.name).second) throw FileError(name, fmt::format("two entries {}", shown(entry.name)));
    if (entry.bytes.size() > left) throw FileError(name, fmt::format("entry {} overlaps others", shown(entry.name)));
    left -= entry.bytes.size();
  }
  return out;
}

void StoredZipWriter::add(const std::string& name, std::string_view bytes) {
  if (name.size() > UINT16_MAX) throw Error(fmt::format("[zip] a name of {} bytes", name.size()));
  const auto crc = crc32(std::as_bytes(std::span(bytes)));
  const bool zip64 = large(bytes.size());
  records_.push_back({name, place_, bytes.size(), crc});
  std::string header, extra;
  if (zip64) {
    append_field(extra, kZip64Extra);
    append_field<uint16_t>(extra, 16);
    append_field<uint64_t>(extra, bytes.size());
    append_field<uint64_t>(extra, bytes.size());
  }
  const auto begin = place_ + 30 + name.size() + extra.size() + 4;
  const auto padding = (kAlignment - begin % kAlignment) % kAlignment;
  append_field(extra, kPaddingExtra);
  append_field(extra, static_cast<uint16_t>(padding));
  extra.append(padding, 'Z');
  append_field(header, kLocal);
  header += common_fields(crc, zip64);
  append_field(header, clipped(zip64, bytes.size()));
  append_field(header, clipped(zip64, bytes.size()));
  append_field(header, static_cast<uint16_t>(name.size()));
  append_field(header, static_cast<uint16_t>(extra.size()));
  write(header + name + extra);
  write(bytes);
}

std::string StoredZipWriter::directory_entry(const Record& record) const {
  const bool large_size = large(record.size), large_offset = large(record.offset);
  std::string extra, out;
  if (large_size || large_offset) {
    append_field(extra, kZip64Extra);
    append_field(extra, static_cast<uint16_t>((large_size ? 16 : 0) + (large_offset ? 8 : 0)));
    for (int i = 0; large_size && i < 2; ++i) append_field(extra, record.size);
    if (large_offset) append_field(extra, record.offset);
  }
  append_field(out, kDirectory);
  append_field<uint16_t>(out, extra.empty() ? 20 : 45);
  out += common_fields(record.crc, !extra.empty());
  append_field(out, clipped(large_size, record.size));
  append_field(out, clipped(large_size, record.size));
  append_field(out, static_cast<uint16_t>(record.name.size()));
  append_field(out, static_cast<uint16_t>(extra.size()));
  out.append(10, '\0');  // comment, disk, attributes
  append_field(out, clipped(large_offset, record.offset));
  return out + record.name + extra;
}

void StoredZipWriter::commit() {
  const auto begin = place_;
  for (const auto& record : records_) write(directory_entry(record));
  const auto size = place_ - begin, count = static_cast<uint64_t>(records_.size());
  const bool zip64 = large(begin) || large(size) || count >= UINT16_MAX;
  std::string out;
  if (zip64) {
    append_field(out, kEnd64);
    append_field<uint64_t>(out, 44);
    append_field<uint16_t>(out, 45);
    append_field<uint16_t>(out, 45);
    append_field<uint64_t>(out, 0);
    for (const auto value : {count, count, size, begin}) append_field(out, value);
    append_field(out, kLocator64);
    append_field<uint32_t>(out, 0);
    append_field(out, place_);
    append_field<uint32_t>(out, 1);
  }
  append_field(out, kEnd);
  append_field<uint32_t>(out, 0);
  for (int i = 0; i < 2; ++i) append_field(out, static_cast<uint16_t>(zip64 ? UINT16_MAX : count));
  append_field(out, clipped(zip64, size));
  append_field(out, clipped(zip64, begin));
  append_field<uint16_t>(out, 0);
  write(out);
  file_.commit();
}

}  // namespace hadal
