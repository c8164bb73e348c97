#include "hadal/io/pytorch.h"

#include "hadal/io/bytes.h"
#include "hadal/io/file.h"
#include "hadal/io/pytorch_tree.h"
#include "hadal/io/zip.h"

namespace hadal {
namespace {

using Bytes = std::span<const std::byte>;
using Keep = std::shared_ptr<const void>;

// The older format begins with pickles of this number and of a version.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kVersion = 1001;
constexpr size_t kStorageAlignment = 16;  // of the widest element, complex128

std::string_view text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// The bytes as a storage: where they lie if they lie aligned, a copy otherwise.
c10::Storage storage_over(Bytes bytes, const Keep& keep_alive) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (size > 0 && reinterpret_cast<uintptr_t>(bytes.data()) % kStorageAlignment == 0)
    return torch::from_blob(
               const_cast<std::byte*>(bytes.data()), {size}, [keep_alive](void*) {}, torch::kByte)
        .storage();
  auto copy = torch::empty({size}, torch::kByte);
  if (size > 0) std::memcpy(copy.data_ptr(), bytes.data(), bytes.size());
  return copy.storage();
}

/// Storages by key, each made once, so that tensors that shared one share it again.
class Storages {
 public:
  Storages(std::string file, Keep keep_alive) : file_(std::move(file)), keep_alive_(std::move(keep_alive)) {}
  void add(const std::string& key, Bytes bytes) { bytes_[key] = bytes; }
  c10::Storage operator()(const StorageClaim& claim) {
    const std::string key(claim.key);
    const auto found = bytes_.find(key);
    if (found == bytes_.end()) throw FileError(file_, fmt::format("storage {} is not in it", shown(key)));
    const auto size = found->second.size();
    const auto needed = static_cast<uint64_t>(claim.elements) * c10::elementSize(claim.dtype);
    if (needed > size)
      throw FileError(file_, fmt::format("storage {} has {} bytes, {} were expected", shown(key), size, needed));
    auto made = made_.find(key);
    if (made == made_.end()) made = made_.emplace(key, storage_over(found->second, keep_alive_)).first;
    return made->second;
  }

 private:
  std::string file_;
  Keep keep_alive_;
  std::map<std::string, Bytes> bytes_;
  std::map<std::string, c10::Storage> made_;
};

NamedTensors read_zip(Bytes bytes, const std::string& name, const Keep& keep_alive) {
  constexpr std::string_view kPickle = "data.pkl";
  const auto entries = read_stored_zip(bytes, name);
  const StoredEntry* pickle_entry = nullptr;
  for (const auto& entry : entries)
    if (!pickle_entry && (entry.name == kPickle || entry.name.ends_with("/data.pkl"))) pickle_entry = &entry;
  if (!pickle_entry) throw FileError(name, "a zip archive, but not PyTorch's: no data.pkl in it");
  const auto top = pickle_entry->name.substr(0, pickle_entry->name.size() - kPickle.size());
  Storages storages(name, keep_alive);
  for (const auto& entry : entries) {
    if (entry.name.starts_with(top + "data/")) storages.add(entry.name.substr(top.size() + 5), entry.content(name));
    if (entry.name == top + "byteorder" && text(entry.content(name)) == "big")
      throw FileError(name, "written on a big-endian machine, which is not read here");
  }
  const auto objects = pickle_entry->content(name);
  const Pickle pickle(text(objects), name, static_cast<uint64_t>(objects.data() - bytes.data()));
  NamedTensors out;
  take_tensors(pickle, std::ref(storages), name, out);
  return out;
}

/// Five pickles (magic, version, system, objects, storage keys), then each storage: its size, its elements.
NamedTensors read_legacy(Bytes bytes, const std::string& name, const Keep& keep_alive) {
  size_t place = 0;
  const auto next = [&] {
    Pickle pickle(text(bytes.subspan(place)), name, place);
    place += pickle.length();
    return pickle;
  };
  const auto magic = next(), version = next(), system = next(), objects = next(), keys = next();
  if (magic.root().text != kMagic || version.root().number != kVersion)
    throw FileError(name, "a pickle, but not PyTorch's: its magic number and version are others");
  const auto* little = system.get(system.root(), "little_endian");
  if (little && little->kind == PickleNode::kBool && !little->number)
    throw FileError(name, "written on a big-endian machine, which is not read here");
  std::map<std::string_view, StorageClaim> claims;
  for (PickleRef ref = 0; ref < objects.size(); ++ref)
    if (const auto claim = read_storage_claim(objects, objects[ref], name)) claims.emplace(claim->key, *claim);
  Storages storages(name, keep_alive);
  Cursor cursor(bytes, name, place);
  for (const auto ref : keys.root().items) {
    const auto found = claims.find(keys[ref].text);
    if (found == claims.end()) cursor.fail_here(fmt::format("storage {} belongs to nothing", shown(keys[ref].text)));
    const auto count = cursor.read<uint64_t>();
    const auto width = c10::elementSize(found->second.dtype);
    if (count > cursor.left() / width) cursor.fail_here(fmt::format("cut off: a storage of {} elements", count));
    storages.add(std::string(found->first), cursor.take(count * width));
  }
  NamedTensors out;
  take_tensors(objects, std::ref(storages), name, out);
  return out;
}

bool is_zip(std::string_view text) { return text.starts_with("PK\3\4"); }
bool is_legacy(std::string_view text) {
  return text.size() > 14 && text.starts_with("\x80\x02\x8a\x0a") && text.substr(4, kMagic.size()) == kMagic;
}

}  // namespace

bool looks_like_pytorch(std::span<const std::byte> bytes) { return is_zip(text(bytes)) || is_legacy(text(bytes)); }

NamedTensors read_pytorch(std::span<const std::byte> bytes, const std::string& name,
                          const std::shared_ptr<const void>& keep_alive) {
  if (!looks_like_pytorch(bytes))
    throw FileError(name, "no PyTorch file: neither its zip archive (1.6 and later) nor the format before");
  auto out = is_zip(text(bytes)) ? read_zip(bytes, name, keep_alive) : read_legacy(bytes, name, keep_alive);
  out.source = name;
  return out;
}

NamedTensors read_pytorch(const std::filesystem::path& path) {
  const MappedFile file(path);
  return read_pytorch(file.bytes(), file.name(), file.keep_alive());
}

}  // namespace hadal
