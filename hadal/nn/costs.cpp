#include "hadal/nn/costs.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

namespace hadal {
namespace {

using Inputs = c10::ArrayRef<const c10::IValue>;

// RecordFunction::inputs() asserts a flag that LibTorch's release build never sets, wherever NDEBUG is not defined. An
// explicit instantiation may name the member behind it.
Inputs inputs_of(const at::RecordFunction& call);
template <auto member>
struct Behind {
  friend Inputs inputs_of(const at::RecordFunction& call) { return call.*member; }
};
template struct Behind<&at::RecordFunction::inputs_>;

enum class Kind { convolution, pointwise_convolution, linear, product, product_onto, attention };

/// The operators that multiply. One within another is part of it, whatever it is made of.
const std::unordered_map<std::string_view, Kind>& kinds() {
  static const std::unordered_map<std::string_view, Kind> known = {
      {"aten::convolution", Kind::convolution},
      {"mkldnn::_convolution_pointwise", Kind::pointwise_convolution},
      {"aten::linear", Kind::linear},
      {"mkldnn::_linear_pointwise", Kind::linear},
      {"hadal::linear", Kind::linear},
      {"hadal::gelu_mlp", Kind::linear},
      {"aten::mm", Kind::product},
      {"aten::bmm", Kind::product},
      {"aten::mv", Kind::product},
      {"aten::dot", Kind::product},
      {"aten::addmm", Kind::product_onto},
      {"aten::baddbmm", Kind::product_onto},
      {"aten::addmv", Kind::product_onto},
      {"aten::scaled_dot_product_attention", Kind::attention},
      {"hadal::attention", Kind::attention}};
  return known;
}

/// Calls look(tensor) for every tensor among the values, those in lists too.
template <class Values, class Look>
void each_tensor(const Values& values, const Look& look) {
  for (const auto& value : values) {
    if (value.isTensor() && value.toTensor().defined()) look(value.toTensor());
    if (value.isTensorList())
      for (const Tensor& tensor : value.toTensorVector())
        if (tensor.defined()) look(tensor);
  }
}

std::optional<Tensor> tensor_at(Inputs inputs, size_t i) {
  if (i >= inputs.size() || !inputs[i].isTensor() || !inputs[i].toTensor().defined()) return std::nullopt;
  return inputs[i].toTensor();
}

double count(const Tensor& t) { return static_cast<double>(t.numel()); }

/// A product's two sides and what it costs; a convolution's cost is known with its output.
struct Work {
  std::optional<Tensor> left, right;
  double flops = 0, per_output = 0;
  std::vector<int64_t> shape;  // of the output, where the inputs tell it

  double passes() const {  // itself, and one for each gradient
    const auto wants = [](const auto& side) { return side && side->requires_grad() ? 1.0 : 0.0; };
    return at::GradMode::is_enabled() ? 1 + wants(left) + wants(right) : 1;
  }
};

/// One for each weight; none where the operator was given something else than usual.
std::vector<Work> works_of(Kind kind, Inputs inputs) {
  const size_t first = kind == Kind::product_onto ? 1 : 0;
  const auto a = tensor_at(inputs, first), b = tensor_at(inputs, first + 1);
  if (!a || !b || a->dim() == 0 || b->dim() == 0 || b->numel() == 0) return {};
  Work work{.left = a, .right = b};
  if (kind == Kind::convolution || kind == Kind::pointwise_convolution) {
    const auto each = 2 * count(*b) / static_cast<double>(b->size(0));
    const bool transposed = kind == Kind::convolution && inputs.size() > 6 && inputs[6].isBool() && inputs[6].toBool();
    (transposed ? work.flops : work.per_output) = transposed ? each * count(*a) : each;
  } else if (kind == Kind::linear) {
    std::vector<Work> out;
    const auto rows = count(*a) / static_cast<double>(std::max<int64_t>(a->size(-1), 1));
    for (size_t i = 1; i < inputs.size(); ++i) {
      const auto weight = tensor_at(inputs, i);
      if (!weight || weight->dim() != 2) break;  // the bias
      out.push_back({.left = a, .right = weight, .flops = 2 * rows * count(*weight), .shape = a->sizes().vec()});
      out.back().shape.back() = weight->size(0);
    }
    return out;
  } else if (kind == Kind::attention) {
    const auto v = tensor_at(inputs, 2);
    if (!v || a->dim() < 2 || v->dim() < 2) return {};
    const auto scores =
        count(*a) / static_cast<double>(std::max<int64_t>(a->size(-1), 1)) * static_cast<double>(v->size(-2));
    work.flops = 2 * scores * static_cast<double>(a->size(-1) + v->size(-1));
  } else {
    work.per_output = 2 * static_cast<double>(a->size(-1));
  }
  return {std::move(work)};
}

}  // namespace

struct FlopCount::State {
  double forward = 0, with_gradients = 0;
  int within = 0;  // operators whose parts are not looked at
  State* outer = nullptr;
  at::CallbackHandle handle = 0;

  // Of layer_costs: what each storage belongs to, parameters and what was made of them alone; layers.size() is no
  // layer. They are kept, so that no other gets their address.
  bool of_layers = false;
  std::vector<LayerCost> layers;
  std::unordered_map<const void*, size_t> owners;
  std::vector<c10::Storage> kept;
  double elsewhere = 0;

  void own(const Tensor& tensor, size_t owner) {
    if (tensor.has_storage() && owners.emplace(tensor.storage().unsafeGetStorageImpl(), owner).second)
      kept.push_back(tensor.storage());
  }
  std::optional<size_t> owner_of(const Tensor& tensor) const {
    if (!tensor.has_storage()) return std::nullopt;
    const auto found = owners.find(tensor.storage().unsafeGetStorageImpl());
    return found == owners.end() ? std::nullopt : std::optional(found->second);
  }
  void add(const Work& work, double flops, const std::vector<int64_t>& shape, std::optional<size_t> owner) {
    forward += flops;
    with_gradients += work.passes() * flops;
    if (!of_layers) return;
    if (!owner || *owner == layers.size()) {
      elsewhere += flops;
      return;
    }
    auto& layer = layers[*owner];
    if (layer.flops == 0) layer.shape = shape;
    layer.flops += flops;
  }
};

namespace {

thread_local FlopCount::State* active = nullptr;

/// What is remembered of an operator until it ends.
struct Seen : at::ObserverContext {
  FlopCount::State* state = nullptr;
  bool whole = false;  // its parts are not looked at
  std::vector<Work> works;
  bool fresh = false;           // some input is no layer's: the output is a layer's result, not a form of its weight
  std::optional<size_t> owner;  // of the largest of the inputs that are a layer's
};

void look_at_inputs(Seen& seen, Inputs inputs) {
  int64_t largest = -1;
  each_tensor(inputs, [&](const Tensor& tensor) {
    const auto owner = seen.state->owner_of(tensor);
    if (!owner) seen.fresh = true;
    if (owner && tensor.numel() > largest) largest = tensor.numel(), seen.owner = owner;
  });
}

std::unique_ptr<at::ObserverContext> on_begin(const at::RecordFunction& call) {
  auto* state = active;
  if (!state || state->within > 0) return nullptr;
  auto seen = std::make_unique<Seen>();
  seen->state = state;
  if (call.scope() == at::RecordScope::BACKWARD_FUNCTION) {
    seen->whole = true;
  } else if (const auto kind = kinds().find(call.name()); kind != kinds().end()) {
    seen->works = works_of(kind->second, inputs_of(call));
    seen->whole = !seen->works.empty();
  }
  if (!seen->whole && !state->of_layers) return nullptr;
  if (state->of_layers) look_at_inputs(*seen, inputs_of(call));
  if (!seen->whole && !seen->owner) return nullptr;
  state->within += seen->whole ? 1 : 0;
  return seen;
}

void on_end(const at::RecordFunction& call, at::ObserverContext* context) {
  auto* seen = static_cast<Seen*>(context);
  if (!seen || seen->state != active) return;
  auto& state = *seen->state;
  state.within -= seen->whole ? 1 : 0;
  Tensor out;
  each_tensor(call.outputs(), [&](const Tensor& tensor) { out = out.defined() ? out : tensor; });
  for (const auto& work : seen->works) {
    const auto flops = work.flops + (out.defined() ? work.per_output * count(out) : 0);
    const auto right = state.owner_of(*work.right);
    const auto shape = !work.shape.empty() ? work.shape : out.defined() ? out.sizes().vec() : std::vector<int64_t>();
    state.add(work, flops, shape, right ? right : state.owner_of(*work.left));
  }
  if (!state.of_layers || !seen->owner || !out.defined()) return;
  if (!seen->fresh)
    each_tensor(call.outputs(), [&](const Tensor& tensor) { state.own(tensor, *seen->owner); });
  else if (seen->works.empty() && *seen->owner < state.layers.size() && state.layers[*seen->owner].shape.empty() &&
           !state.owner_of(out))
    state.layers[*seen->owner].shape = out.sizes().vec();
}

}  // namespace

FlopCount::FlopCount() : state_(std::make_unique<State>()) {
  state_->outer = active;
  // One observer for all: the newest state is the one that it tells.
  if (!active)
    state_->handle =
        at::addThreadLocalCallback(at::RecordFunctionCallback(on_begin, on_end)
                                       .needsInputs(true)
                                       .needsOutputs(true)
                                       .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  active = state_.get();
}

FlopCount::~FlopCount() {
  active = state_->outer;
  if (!active) at::removeCallback(state_->handle);
}

double FlopCount::forward() const { return state_->forward; }
double FlopCount::with_gradients() const { return state_->with_gradients; }

std::vector<LayerCost> layer_costs(nn::Module& module, const std::function<void()>& forward) {
  FlopCount counter;
  auto& state = *counter.state_;
  std::unordered_set<const void*> counted;
  std::vector<std::pair<Tensor, size_t>> owned;
  std::vector<Tensor> constants;
  for (const auto& item : module.named_modules("", true)) {
    LayerCost layer{.name = item.key().empty() ? "(itself)" : item.key()};
    const auto own = item.value()->named_parameters(false);
    for (const auto& parameter : own) {
      owned.emplace_back(parameter.value(), state.layers.size());
      if (counted.insert(parameter.value().unsafeGetTensorImpl()).second) layer.parameters += parameter.value().numel();
    }
    for (const auto& buffer : item.value()->named_buffers(false)) constants.push_back(buffer.value());
    if (!own.is_empty()) state.layers.push_back(std::move(layer));
  }
  for (const auto& [tensor, owner] : owned) state.own(tensor, owner);
  for (const auto& tensor : constants) state.own(tensor, state.layers.size());
  state.of_layers = true;
  forward();
  state.of_layers = false;
  auto out = state.layers;
  if (state.elsewhere > 0) out.push_back({.name = "products", .flops = state.elsewhere});
  return out;
}

double flops_of(const std::function<void()>& body) {
  const FlopCount counter;
  body();
  return counter.forward();
}

}  // namespace hadal
