#include <set>

#include "hadal/io/bytes.h"
#include "hadal/io/pytorch.h"
#include "hadal/io/zip.h"

namespace hadal {
namespace {

/// Tensors that are saved with the same storage; one that is alone in a larger storage is copied out of it.
struct Plan {
  std::vector<Tensor> tensors;  // as they are written, on the CPU
  std::vector<size_t> storage;  // of each tensor
  std::vector<Tensor> first;    // of each storage: a tensor that holds it
};

Plan make_plan(const NamedTensors& named) {
  using Key = std::pair<const void*, torch::ScalarType>;
  Plan plan;
  std::set<std::string_view> names;
  std::map<Key, size_t> users, places;
  const auto key = [](const Tensor& tensor) {
    return Key{tensor.storage().unsafeGetStorageImpl(), tensor.scalar_type()};
  };
  for (const auto& [name, given] : named.entries) {
    if (!names.insert(name).second) fail("[pytorch] two tensors cannot both be called \"{}\"", name);
    if (!given.defined() || given.layout() != torch::kStrided || !dtype_names(given.scalar_type()))
      fail("[pytorch] \"{}\" is no dense tensor of a type that can be written; convert it first", name);
    plan.tensors.push_back(given.detach().resolve_conj().resolve_neg());
    ++users[key(plan.tensors.back())];
  }
  for (auto& tensor : plan.tensors) {
    const auto shared = users[key(tensor)] > 1;
    // A storage of another device comes over whole, so that its views stay views.
    if (!shared) tensor = tensor.cpu().contiguous();
    if (!shared && tensor.storage().nbytes() != tensor.nbytes()) tensor = tensor.clone();
    const auto [place, fresh] = places.emplace(key(tensor), plan.first.size());
    if (fresh) plan.first.push_back(tensor);
    plan.storage.push_back(place->second);
  }
  return plan;
}

/// The storage's bytes, on the CPU.
Tensor storage_bytes(const Tensor& tensor) {
  const auto size = static_cast<int64_t>(tensor.storage().nbytes());
  return torch::empty({0}, tensor.options().dtype(torch::kByte)).set_(tensor.storage(), 0, {size}, {1}).cpu();
}

/// Protocol 2, the opcodes that torch.save itself uses (pickletools describes each).
class PickleWriter {
 public:
  std::string out = "\x80\x02";

  void global(std::string_view module, std::string_view name) { out += fmt::format("c{}\n{}\n", module, name); }
  void text(std::string_view value) { op('X'), raw(static_cast<uint32_t>(value.size())), out += value; }
  void whole(int64_t value) {
    if (value == static_cast<int32_t>(value))
      op('J'), raw(static_cast<int32_t>(value));
    else
      out += "\x8a\x08", raw(value);
  }
  void tuple(at::IntArrayRef values) {
    op('(');
    for (const auto value : values) whole(value);
    op('t');
  }
  void empty_ordered_dict() { global("collections", "OrderedDict"), out += ")R"; }
  void op(char code) { out += code; }

  void tensor(const Tensor& tensor, size_t storage) {
    const auto* names = dtype_names(tensor.scalar_type());
    const bool typed = !names->storage.empty();
    global("torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    out += "((";
    text("storage");
    global(typed ? "torch" : "torch.storage", typed ? names->storage : "UntypedStorage");
    text(std::to_string(storage));
    text("cpu");
    whole(static_cast<int64_t>(tensor.storage().nbytes() / (typed ? tensor.element_size() : 1)));
    out += "tQ";
    whole(tensor.storage_offset());
    tuple(tensor.sizes());
    tuple(tensor.strides());
    op('\x89');
    empty_ordered_dict();
    if (!typed) global("torch", names->torch);
    out += "tR";
  }

 private:
  template <class T>
  void raw(T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
};

}  // namespace

void write_pytorch(const std::filesystem::path& path, const NamedTensors& tensors) {
  const auto plan = make_plan(tensors);
  PickleWriter pickle;
  pickle.empty_ordered_dict();
  pickle.op('(');
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    pickle.text(tensors.entries[i].first);
    pickle.tensor(plan.tensors[i], plan.storage[i]);
  }
  pickle.out += "u.";
  StoredZipWriter zip(path);
  zip.add("archive/data.pkl", pickle.out);
  zip.add("archive/byteorder", "little");
  for (size_t i = 0; i < plan.first.size(); ++i) {
    const auto bytes = storage_bytes(plan.first[i]);
    zip.add(fmt::format("archive/data/{}", i),
            {bytes.numel() ? static_cast<const char*>(bytes.data_ptr()) : "", static_cast<size_t>(bytes.numel())});
  }
  zip.add("archive/version", "3\n");
  zip.commit();
}

}  // namespace hadal
