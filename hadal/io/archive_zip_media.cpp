// Zip, read in place by its central directory (PKWARE APPNOTE 6.3), and gzip; both inflate through zlib and check CRCs.
#include <algorithm>
#include <limits>

#include <zlib.h>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"
#include "hadal/io/archive_formats.h"
#include "hadal/io/archive_links.h"
#include "hadal/io/bytes.h"

namespace hadal::archive_format {
namespace {

using namespace std::string_view_literals;

struct ZipEntry {
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, header = 0;  // header: offset of the local header
  bool link = false;                          // its content is the path that it leads to
};

std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// A name that says of itself neither that it is UTF-8 (flag 11) nor is it: in code page 437, as the format has it.
std::string from_cp437(std::string_view text) {
  static constexpr std::u32string_view kUpper =
      U"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
      U"αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0";
  static_assert(kUpper.size() == 128);
  std::string out;
  for (const char byte : text) {
    const char32_t code = static_cast<unsigned char>(byte);
    out += to_utf8(code < 128 ? code : kUpper[code - 128]);
  }
  return out;
}

uint32_t crc_of(std::string_view bytes) {
  return static_cast<uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

/// zlib counts in 32 bits: both sides are handed over in pieces.
uInt piece(size_t left) { return static_cast<uInt>(std::min<size_t>(left, std::numeric_limits<uInt>::max())); }

class Inflater {
 public:
  Inflater(std::string_view bytes, std::string_view name, int window_bits) : name_(name), rest_(bytes) {
    if (inflateInit2(&stream_, window_bits) != Z_OK) throw FileError(name, "out of memory");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Fills `to` as far as one stream reaches; `ended` says that the stream is over.
  size_t fill(char* to, size_t room, bool& ended) {
    size_t made = 0;
    for (ended = false; made < room && !ended;) {
      stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(rest_.data()));
      const auto given = stream_.avail_in = piece(rest_.size());
      stream_.next_out = reinterpret_cast<Bytef*>(to + made);
      const auto space = stream_.avail_out = piece(room - made);
      const auto status = inflate(&stream_, Z_NO_FLUSH);
      const auto taken = given - stream_.avail_in, put = space - stream_.avail_out;
      rest_.remove_prefix(taken);
      made += put;
      ended = status == Z_STREAM_END;
      if (!ended && (status == Z_BUF_ERROR || (taken == 0 && put == 0))) throw FileError(name_, "cut short");
      if (!ended && status != Z_OK)
        throw FileError(name_, fmt::format("damaged data: {}", stream_.msg ? stream_.msg : zError(status)));
    }
    return made;
  }
  std::string_view rest() const { return rest_; }
  void next_stream() { inflateReset(&stream_); }

 private:
  std::string_view name_, rest_;
  z_stream stream_{};
};

class Zip : public FileSource {
 public:
  Zip(HeldBytes zip, const std::string& name, const ArchiveLimits& limits)
      : zip_(std::move(zip)), name_(name), limits_(limits) {
    uint64_t count = 0;
    auto cursor = directory(count);
    if (count > static_cast<uint64_t>(limits.max_files))
      throw FileError(name, fmt::format("{} files are more than the limit of {}", count, limits.max_files));
    EntryTree tree(name, limits);
    std::vector<ZipEntry> entries;
    for (uint64_t i = 0; i < count; ++i) {
      auto [path, entry] = read_entry(cursor);
      // The format has '/' alone; programs on Windows that did not heed it wrote their own.
      std::replace(path.begin(), path.end(), '\\', '/');
      if (path.ends_with('/')) {
        tree.add_folder(path);
      } else if (entry.link) {
        if (entry.size > kMaxTarget) throw FileError(name + "/" + path, "a link to a path that is too long");
        tree.add_link(path, unpack(entry, name + "/" + path));
      } else {
        tree.add_file(path, entries.size());
        entries.push_back(entry);
      }
    }
    for (auto& [path, file] : tree.list()) paths.push_back(std::move(path)), entries_.push_back(entries[file]);
  }

  std::string read(int64_t i) const override { return unpack(entries_[static_cast<size_t>(i)], name_of(i)); }
  std::string read_start(int64_t i, size_t most) const override {
    const auto& entry = entries_[static_cast<size_t>(i)];
    if ((entry.flags & 1) || entry.size == 0 || (entry.method != 0 && entry.method != 8)) return "";
    const auto packed = packed_bytes(entry, name_of(i));
    if (entry.method == 0) return std::string(packed.substr(0, most));
    std::string out(std::min<uint64_t>(entry.size, most), '\0');
    Inflater inflater(packed, name_, -MAX_WBITS);
    bool ended = false;
    out.resize(inflater.fill(out.data(), out.size(), ended));
    return out;
  }

 private:
  static constexpr uint64_t kMaxTarget = 4096;

  std::string name_of(int64_t i) const { return name_ + "/" + paths[static_cast<size_t>(i)]; }

  std::string unpack(const ZipEntry& entry, const std::string& name) const {
    if (entry.flags & 1) throw FileError(name, "encrypted");
    if (entry.size > static_cast<uint64_t>(limits_.max_bytes))
      throw FileError(name, fmt::format("{} bytes are more than the limit of {}", entry.size, limits_.max_bytes));
    const auto packed = packed_bytes(entry, name);
    std::string out;
    if (entry.method == 0) {
      if (entry.packed != entry.size) throw FileError(name, "damaged zip: two sizes for a file stored as it is");
      out = packed;
    } else if (entry.method == 8) {
      // Deflate makes at most 1032 bytes of one.
      if (entry.size / 1032 > packed.size()) throw FileError(name, "damaged zip: too few bytes for the file's size");
      out.resize(entry.size);
      Inflater inflater(packed, name, -MAX_WBITS);
      bool ended = false;
      const auto made = inflater.fill(out.data(), out.size(), ended);
      if (made != entry.size) throw FileError(name, fmt::format("{} bytes of {} unpacked", made, entry.size));
    } else {
      throw FileError(name, fmt::format("zip method {} is not known; stored (0) and deflated (8) are", entry.method));
    }
    if (crc_of(out) != entry.crc) throw FileError(name, "damaged data: the CRC does not fit");
    return out;
  }

  /// A cursor at the first entry of the central directory, found through the record at the end of the file.
  Cursor directory(uint64_t& count) const {
    const auto bytes = zip_.bytes;
    // The record's 22 bytes end the file, but for a comment of at most 65535.
    const auto window = bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 22 + 65535));
    const auto found = window.rfind("PK\5\6"sv);
    if (found == std::string_view::npos) throw FileError(name_, "cut short: a zip ends with its directory");
    const auto end = bytes.size() - window.size() + found;
    Cursor record = at(end);
    record.take(10);
    count = record.read<uint16_t>();
    record.take(4);
    uint64_t offset = record.read<uint32_t>();
    record.take(record.read<uint16_t>());  // the comment
    if (end >= 20 && bytes.substr(end - 20, 4) == "PK\6\7"sv) {
      Cursor locator(as_bytes(bytes), name_, end - 20 + 8);
      Cursor large = at(locator.read<uint64_t>());
      if (large.take_text(4) != "PK\6\6"sv) large.fail_here("damaged zip64 directory");
      large.take(28);
      count = large.read<uint64_t>();
      large.take(8);
      offset = large.read<uint64_t>();
    }
    return at(offset);
  }

  Cursor at(uint64_t offset) const {
    if (offset > zip_.bytes.size())
      throw FileError(name_, fmt::format("damaged zip: offset {} in {} bytes", offset, zip_.bytes.size()));
    return {as_bytes(zip_.bytes), name_, static_cast<size_t>(offset)};
  }

  std::pair<std::string, ZipEntry> read_entry(Cursor& cursor) const {
    if (cursor.take_text(4) != "PK\1\2"sv) cursor.fail_here("damaged zip directory");
    ZipEntry entry;
    const auto made_by = cursor.read<uint16_t>() >> 8;
    cursor.take(2);
    entry.flags = cursor.read<uint16_t>();
    entry.method = cursor.read<uint16_t>();
    cursor.take(4);
    entry.crc = cursor.read<uint32_t>();
    entry.packed = cursor.read<uint32_t>();
    entry.size = cursor.read<uint32_t>();
    const auto path_size = cursor.read<uint16_t>(), extra_size = cursor.read<uint16_t>(),
               comment_size = cursor.read<uint16_t>();
    cursor.take(4);
    constexpr int kUnix = 3, kMac = 19;  // whose attributes are a file's mode above those of DOS
    const auto attributes = cursor.read<uint32_t>();
    entry.link = (made_by == kUnix || made_by == kMac) && attributes >> 28 == 0xA;
    entry.header = cursor.read<uint32_t>();
    std::string path(cursor.take_text(path_size));
    if (!(entry.flags & 0x800) && find_bad_utf8(path) != std::string::npos) path = from_cp437(path);
    Cursor extra(cursor.take(extra_size), name_);
    cursor.take(comment_size);
    while (extra.left() >= 4) {
      const auto kind = extra.read<uint16_t>(), size = extra.read<uint16_t>();
      if (size > extra.left()) break;
      Cursor field(extra.take(size), name_);
      if (kind != 1) continue;
      for (auto* value : {&entry.size, &entry.packed, &entry.header})
        if (*value == 0xFFFFFFFF) *value = field.read<uint64_t>();
    }
    return {path, entry};
  }

  std::string_view packed_bytes(const ZipEntry& entry, const std::string& name) const {
    Cursor local = at(entry.header);
    if (local.take_text(4) != "PK\3\4"sv) local.fail_here(fmt::format("damaged zip: no header of {}", name));
    local.take(22);
    const auto path_size = local.read<uint16_t>(), extra_size = local.read<uint16_t>();
    local.take(path_size + size_t{extra_size});
    return local.take_text(entry.packed);
  }

  HeldBytes zip_;
  std::string name_;
  ArchiveLimits limits_;
  std::vector<ZipEntry> entries_;
};

}  // namespace

std::unique_ptr<FileSource> open_zip(HeldBytes zip, const std::string& name, const ArchiveLimits& limits) {
  return std::make_unique<Zip>(std::move(zip), name, limits);
}

std::string gunzip(std::string_view bytes, std::string_view name, int64_t max_bytes) {
  Inflater inflater(bytes, name, MAX_WBITS + 16);
  std::string out;
  size_t made = 0;
  const auto most = static_cast<size_t>(max_bytes);
  while (true) {
    // Grow as the data comes: the size that gzip states at its end is only modulo 2^32, and not to be trusted.
    if (made == out.size()) {
      // One more byte than allowed: a full buffer tells a stream that ends at the limit from one that goes on.
      if (made > most) throw FileError(name, fmt::format("unpacks to more than the limit of {} bytes", max_bytes));
      out.resize(std::min(most + 1, std::max<size_t>({made * 2, bytes.size() * 3 / 2, 1 << 12})));
    }
    bool ended = false;
    made += inflater.fill(out.data() + made, out.size() - made, ended);
    if (!ended) continue;
    // Zeros may pad the end (tapes, block devices); another member may follow.
    if (!is_gzip(inflater.rest())) break;
    inflater.next_stream();
  }
  if (made > most) throw FileError(name, fmt::format("unpacks to more than the limit of {} bytes", max_bytes));
  if (inflater.rest().find_first_not_of('\0') != std::string_view::npos)
    throw FileError(name, "damaged gzip: bytes follow that are not gzip");
  out.resize(made);
  return out;
}

}  // namespace hadal::archive_format
