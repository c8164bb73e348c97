#include "hadal/io/pytorch_tree.h"

#include <set>

#include "hadal/io/bytes.h"
#include "hadal/io/pytorch_words.h"

namespace hadal {
namespace {

using Node = PickleNode;

// Far above any file of weights; a pickle that refers to itself, or to the same lists again and again, meets them.
constexpr int kMaxDepth = 100;
constexpr size_t kMaxVisits = size_t{1} << 19, kMaxName = 4096, kMaxNames = size_t{64} << 20;
constexpr size_t kMaxMetadata = 1000;

/// What programs call the weights in their checkpoints, the averaged ones first: they are those to use.
constexpr const char* kWeights[] = {"ema",        "model_ema", "state_dict_ema", "ema_state_dict",
                                    "params_ema", "model",     "state_dict",     "model_state_dict",
                                    "net",        "network",   "params",         "weights"};

/// TorchScript's pickles give lists and dictionaries their types by a function around them.
const Node& behind_type(const Pickle& pickle, const Node& node) {
  const auto maker = pickle.class_of(node);
  if (maker != "torch.jit._pickle restore_type_tag" && maker != "torch.jit._pickle build_tensorlist") return node;
  const auto& args = pickle[node.args].items;
  return args.empty() ? node : pickle[args[0]];
}

class Walk {
 public:
  Walk(const Pickle& pickle, const StorageSource& storages, const std::string& file, NamedTensors& out)
      : pickle_(pickle), storages_(storages), file_(file), out_(out) {}

  void whole(const Node& node) { visit(node, 0); }

  /// Whether it is a module: an object whose state holds what nn.Module keeps there.
  const Node* module_state(const Node& node) const {
    if (node.kind != Node::kObject || node.state == Node::kNothing) return nullptr;
    const auto* state = &pickle_[node.state];
    if (is_script(node)) return state->kind == Node::kDict ? state : nullptr;
    // Classes with slots give (dictionary, slots).
    if (state->kind == Node::kTuple && !state->items.empty()) state = &pickle_[state->items[0]];
    return state->kind == Node::kDict && pickle_.get(*state, "_modules") ? state : nullptr;
  }

 private:
  /// Of a class of TorchScript: its state holds its attributes, or what its own __getstate__ gave.
  bool is_script(const Node& node) const { return pickle_.class_of(node).starts_with("__torch__"); }

  void visit(const Node& node, int depth) {
    if (depth > kMaxDepth || ++visits_ > kMaxVisits || name_.size() > kMaxName)
      throw FileError(file_, "the pickle is nested without end");
    if (const auto& held = behind_type(pickle_, node); &held != &node) return visit(held, depth + 1);
    if (is_tensor_object(pickle_, node)) return add(rebuild_tensor(pickle_, node, storages_, file_, name_));
    if (node.kind == Node::kDict) return visit_pairs(node.items, depth, nullptr);
    if (node.kind == Node::kList || node.kind == Node::kTuple) return visit_list(node, depth);
    if (const auto* state = module_state(node)) return visit_module(*state, depth);
    if (node.kind != Node::kObject) return;
    if (is_script(node) && node.state != Node::kNothing) return visit(pickle_[node.state], depth + 1);
    // A class derived from dict; OrderedDict was once made of a list of pairs.
    const auto& args = pickle_[node.args].items;
    if (pickle_.class_of(node) == "collections OrderedDict" && args.size() == 1 && pickle_.is(args[0], Node::kList))
      for (const auto pair : pickle_[args[0]].items)
        if (pickle_[pair].items.size() == 2) visit_pairs(pickle_[pair].items, depth, nullptr);
    visit_pairs(node.items, depth, nullptr);
  }

  void visit_pairs(const std::vector<PickleRef>& items, int depth, const std::set<std::string_view>* except) {
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const auto& key = pickle_[items[i]];
      if (key.kind == Node::kInt && key.text.empty())
        enter(std::to_string(key.number), items[i + 1], depth);
      else if (key.kind == Node::kString && (!except || !except->contains(key.text)))
        enter(key.text, items[i + 1], depth);
    }
  }
  void visit_list(const Node& node, int depth) {
    for (size_t i = 0; i < node.items.size(); ++i) enter(std::to_string(i), node.items[i], depth);
  }
  /// As state_dict() goes: own parameters, own persistent buffers, children.
  void visit_module(const Node& state, int depth) {
    if (!pickle_.get(state, "_modules")) return visit_pairs(state.items, depth, nullptr);
    const auto passing = passing_buffers(state);
    for (const auto* part : {"_parameters", "_buffers", "_modules"})
      if (const auto* dict = pickle_.get(state, part))
        visit_pairs(dict->items, depth, std::string_view(part) == "_buffers" ? &passing : nullptr);
  }
  std::set<std::string_view> passing_buffers(const Node& state) const {
    std::set<std::string_view> out;
    const auto* set = pickle_.get(state, "_non_persistent_buffers_set");
    if (set && set->kind == Node::kObject) {  // protocol 2 makes a set of a list
      const auto& args = pickle_[set->args].items;
      set = args.empty() ? nullptr : &pickle_[args[0]];
    }
    if (set)
      for (const auto item : set->items) out.insert(pickle_[item].text);
    return out;
  }

  void enter(std::string_view key, PickleRef value, int depth) {
    const auto& node = pickle_[value];
    const bool leads_on =
        node.kind == Node::kDict || node.kind == Node::kList || node.kind == Node::kTuple || node.kind == Node::kObject;
    if (!leads_on) return;
    const auto length = name_.size();
    if (length > 0) name_ += '.';
    name_ += key.substr(0, kMaxName + 1);
    visit(node, depth + 1);
    name_.resize(length);
  }
  void add(Tensor tensor) {
    if ((names_size_ += name_.size()) > kMaxNames) throw FileError(file_, "the names of its tensors have no end");
    if (!names_.insert(name_).second) throw FileError(file_, fmt::format("two tensors {}", shown(name_)));
    out_.add(name_, std::move(tensor));
  }

  const Pickle& pickle_;
  const StorageSource& storages_;
  const std::string& file_;
  NamedTensors& out_;
  std::string name_;
  std::set<std::string> names_;
  size_t visits_ = 0, names_size_ = 0;
};

void take_metadata(const Pickle& pickle, const Node& top, NamedTensors& out) {
  if (top.kind != Node::kDict) return;
  for (size_t i = 0; i + 1 < top.items.size(); i += 2) {
    const auto &key = pickle[top.items[i]], &value = pickle[top.items[i + 1]];
    if (key.kind != Node::kString || key.text.size() > kMaxMetadata || value.text.size() > kMaxMetadata) continue;
    const std::string name(key.text);
    if (value.kind == Node::kString) out.metadata[name] = value.text;
    if (value.kind == Node::kBool) out.metadata[name] = value.number ? "true" : "false";
    if (value.kind == Node::kInt && value.text.empty()) out.metadata[name] = std::to_string(value.number);
    if (value.kind == Node::kFloat) out.metadata[name] = fmt::format("{}", value.real);
  }
}

}  // namespace

void take_tensors(const Pickle& pickle, const StorageSource& storages, const std::string& file, NamedTensors& out) {
  const auto& top = behind_type(pickle, pickle.root());
  take_metadata(pickle, top, out);
  const auto words_of = [&](const Node& node) {
    const auto* state = Walk(pickle, storages, file, out).module_state(node);
    if (state) take_module_words(pickle, *state, out);
    return state != nullptr;
  };
  const bool module = words_of(top);
  for (const auto* key : kWeights) {
    const auto* part = module ? nullptr : pickle.get(top, key);
    if (!part || (part->kind != Node::kDict && part->kind != Node::kObject) || is_tensor_object(pickle, *part))
      continue;
    Walk(pickle, storages, file, out).whole(*part);
    if (out.size() == 0) continue;
    words_of(*part);
    return;
  }
  Walk(pickle, storages, file, out).whole(top);
  if (out.size() == 0) throw FileError(file, "no tensors in it; a state_dict, or a checkpoint with one, was expected");
}

}  // namespace hadal
