#include "hadal/optim/optimizer.h"

#include <map>
#include <set>

#include <ATen/ops/index_select.h>
#include <fmt/ranges.h>

#include "hadal/core/error.h"

namespace hadal {

/// A tensor of the saved state under its name, and where it goes when it is read.
struct Optimizer::Entry {
  std::string name;
  Tensor tensor;
  std::function<void(const Tensor&)> restore;
};

Optimizer::Slot Optimizer::Slot::like(std::string name, double value) {
  return {std::move(name), [value](const std::string&, const Tensor& param) {
            return at::full_like(param, value, at::MemoryFormat::Preserve);
          }};
}

Optimizer::Optimizer(std::vector<ParamGroup> groups, double lr, std::vector<Slot> slots, std::vector<Number> numbers)
    : slots_(std::move(slots)), numbers_(std::move(numbers)), lr_(lr) {
  for (auto& given : groups) groups_.push_back({std::move(given), {}});
}

std::vector<Optimizer::Group>& Optimizer::ready() {
  if (ready_) return groups_;
  torch::NoGradGuard no_grad;
  for (auto& group : groups_)
    for (auto& [name, tensor] : group.given.params) {
      Param param{name, {}, {}, 0};
      auto& t = param.tensors;
      t.param = tensor;
      const auto type = tensor.scalar_type();
      if (type == at::kBFloat16 || type == at::kHalf) t.master = tensor.detach().to(at::kFloat);
      for (const auto& slot : slots_) t.state.push_back(slot.make(name, t.value()));
      for (const auto& number : numbers_) param.numbers.push_back(number.initial);
      group.params.push_back(std::move(param));
    }
  ready_ = true;
  return groups_;
}

bool Optimizer::step(const Rates& rates, const Evaluation& evaluation, const Closure&) {
  torch::NoGradGuard no_grad;
  auto taken = evaluation;
  begin_step(taken);
  auto& groups = ready();
  for (size_t g = 0; g < groups.size(); ++g) {
    auto& group = groups[g];
    Active fresh;
    fresh.lr = lr_ * group.given.lr_scale * rates.lr_factor;
    fresh.decay_scale = group.given.decay_scale;
    fresh.momentum = rates.momentum;
    fresh.use = taken.use;
    if (!taken.group_scale.empty()) fresh.use.scale *= taken.group_scale.at(g);
    // Parameters that joined later (unfrozen ones) are at another step: the constants of their rule differ.
    std::map<std::pair<int64_t, std::vector<double>>, std::vector<size_t>> alike;
    for (size_t i = 0; i < group.params.size(); ++i) {
      auto& param = group.params[i];
      const auto& tensor = group.given.params[i].second;
      const auto& grad = tensor.grad();
      if (!grad.defined()) continue;
      ++param.steps;
      auto active = fresh;
      active.step = param.steps;
      active.numbers = param.numbers;
      active.names = {param.name};
      param.tensors.param = tensor;
      param.tensors.grad = grad;
      if (grad.is_sparse())
        update_rows(param, active);
      else
        alike[{param.steps, param.numbers}].push_back(i);
    }
    for (const auto& [same, members] : alike) {
      auto active = fresh;
      active.step = same.first;
      active.numbers = same.second;
      for (const auto i : members) {
        active.tensors.push_back(group.params[i].tensors);
        active.names.push_back(group.params[i].name);
      }
      update(active);
      for (const auto i : members) group.params[i].numbers = active.numbers;
    }
    for (auto& param : group.params) param.tensors.grad = Tensor();
  }
  return true;
}

/// A sparse gradient moves the rows that it names, and only their state: they are gathered, updated and put back.
void Optimizer::update_rows(Param& param, Active& active) {
  const auto& whole = param.tensors;
  if (!takes_rows() || whole.grad.sparse_dim() != 1)
    fail(
        "[optimizer] {} has a sparse gradient, which this method cannot take; sparse_adam can, adagrad and sgd without "
        "weight decay and momentum too",
        param.name);
  const auto grad = whole.grad.coalesce();
  const auto rows = grad.indices()[0];
  const auto gathered = [&](const Tensor& t) { return t.defined() ? t.index_select(0, rows) : t; };
  Updated part{gathered(whole.param), grad.values(), gathered(whole.master), {}};
  for (const auto& state : whole.state) part.state.push_back(gathered(state));
  active.tensors = {part};
  update(active);
  const auto put_back = [&](const Tensor& to, const Tensor& from) {
    if (to.defined()) Tensor(to).index_copy_(0, rows, from);
  };
  put_back(whole.param, part.param);
  put_back(whole.master, part.master);
  for (size_t i = 0; i < part.state.size(); ++i) put_back(whole.state[i], part.state[i]);
  param.numbers = active.numbers;
  if (active.use.zero) Tensor(whole.grad).zero_();
}

void Optimizer::zero_grad() {
  for (auto& group : groups_)
    for (auto& [name, param] : group.given.params) param.mutable_grad().reset();
}

std::vector<Tensor> Optimizer::parameters() const {
  std::vector<Tensor> out;
  for (const auto* group : groups())
    for (const auto& [name, param] : *group) out.push_back(param);
  return out;
}

std::vector<const TensorsByName*> Optimizer::groups() const {
  std::vector<const TensorsByName*> out;
  for (const auto& group : groups_) out.push_back(&group.given.params);
  return out;
}

std::vector<Optimizer::Entry> Optimizer::entries() {
  std::vector<Entry> out;
  std::vector<Param*> all;
  for (auto& group : ready())
    for (auto& param : group.params) all.push_back(&param);
  const auto add_list = [&](const std::string& name, at::ScalarType type, auto value_of) {
    auto list = at::zeros({static_cast<int64_t>(all.size())}, type);
    for (size_t i = 0; i < all.size(); ++i) list[static_cast<int64_t>(i)] = value_of(*all[i]);
    out.push_back({name, list, [all, value_of](const Tensor& saved) {
                     for (size_t i = 0; i < all.size(); ++i) {
                       auto& value = value_of(*all[i]);
                       value = saved[static_cast<int64_t>(i)].template item<std::remove_cvref_t<decltype(value)>>();
                     }
                   }});
  };
  add_list("steps", at::kLong, [](Param& param) -> int64_t& { return param.steps; });
  for (size_t n = 0; n < numbers_.size(); ++n)
    add_list(numbers_[n].name, at::kDouble, [n](Param& param) -> double& { return param.numbers[n]; });
  const auto add = [&](const std::string& slot, const Param& param, const Tensor& tensor) {
    if (tensor.defined())
      out.push_back({slot + "." + param.name, tensor, [tensor](const Tensor& saved) { Tensor(tensor).copy_(saved); }});
  };
  for (const auto* param : all) {
    add("master", *param, param->tensors.master);
    for (size_t slot = 0; slot < slots_.size(); ++slot) add(slots_[slot].name, *param, param->tensors.state[slot]);
  }
  return out;
}

TensorsByName Optimizer::state() const {
  TensorsByName out;
  for (auto& entry : const_cast<Optimizer*>(this)->entries()) out.emplace_back(entry.name, entry.tensor);
  return out;
}

void Optimizer::load_state(const TensorsByName& state) {
  torch::NoGradGuard no_grad;
  const std::map<std::string, Tensor> saved(state.begin(), state.end());
  const auto all = entries();
  std::set<std::string> known;
  for (const auto& entry : all) {
    known.insert(entry.name);
    const auto found = saved.find(entry.name);
    if (found == saved.end())
      fail("[optimizer] the saved state has no {}: it was written by another optimizer or for another model",
           entry.name);
    if (found->second.sizes() != entry.tensor.sizes())
      fail("[optimizer] {} is {} in the saved state and {} here", entry.name, fmt::join(found->second.sizes(), "x"),
           fmt::join(entry.tensor.sizes(), "x"));
  }
  for (const auto& [name, tensor] : saved)
    if (!known.contains(name))
      fail("[optimizer] the saved state has {}: it was written by another optimizer or for another model", name);
  for (const auto& entry : all) entry.restore(saved.at(entry.name));
}

}  // namespace hadal
