// One pass over memory for many tensors at once: a rule, written for a single element, moves parameters and the state
// that belongs to them. Threads share the elements of all tensors; a scale and a bound of the gradient, and zeroing
// it, come along for free.
//
// A rule is a struct of constants with a formula, the same for CPU elements and for whole tensors on other devices:
//
//   struct Momentum : Rule<1> {                            // one state tensor per parameter
//     Real lr, keep;
//     template <class T>
//     void operator()(T& p, const T& g, T& velocity) const {
//       velocity = keep * velocity + g;
//       p = p - lr * velocity;
//     }
//   };
//
// Formulas assign whole values (p = p - x, not p -= x): a Tensor's compound operators would write through aliases.
#pragma once
#include <cmath>
#include <functional>

#include "hadal/core/error.h"
#include "hadal/ops/update_kernel.h"
#include "hadal/ops/updated.h"

namespace hadal {

/// Sums of squares per tensor: of the value before the rule, and of what a measuring rule returns.
struct Measured {
  double value = 0, result = 0;
  double value_norm() const { return std::sqrt(value); }
  double result_norm() const { return std::sqrt(result); }
};

namespace update_detail {

/// Whether the loops can walk through all parts of `u` side by side.
bool in_one_layout(const Updated& u);
/// Calls block(tensor, begin, end, number) for pieces of at most kBlock elements, shared among the threads.
void each_block(const std::vector<int64_t>& sizes,
                const std::function<void(size_t tensor, int64_t begin, int64_t end, size_t number)>& block);
/// The parameter from its master.
void round_master(Updated& u);
double sum_of_squares(const Tensor& t);

/// The formula on whole tensors.
template <class R>
Measured by_tensors(const R& rule, Updated& u, const GradientUse& use) {
  Measured measured;
  if constexpr (R::kMeasures) measured.value = sum_of_squares(u.value());
  const auto gradient = R::kGradient ? use.of(u) : u.value();
  auto value = u.value();
  auto state = u.state;
  const auto apply = [&]<size_t... I>(std::index_sequence<I...>) { return rule(value, gradient, state[I]...); };
  if constexpr (R::kMeasures)
    measured.result = sum_of_squares(apply(std::make_index_sequence<R::kStates>()));
  else
    apply(std::make_index_sequence<R::kStates>());
  if (!value.is_same(u.value())) u.value().copy_(value);
  for (size_t i = 0; i < state.size(); ++i)
    if (!state[i].is_same(u.state[i])) u.state[i].copy_(state[i]);
  round_master(u);
  if (use.zero) u.grad.zero_();
  return measured;
}

}  // namespace update_detail

/// Applies rule_of(i) to tensors[i]; a measuring rule's sums come back, per tensor, the same for any number of threads.
/// Throws Error where a tensor has fewer states than the rule moves.
template <class RuleOf>
std::vector<Measured> update_each(const RuleOf& rule_of, std::vector<Updated>& tensors, const GradientUse& use) {
  using R = std::remove_cvref_t<decltype(rule_of(0))>;
  namespace detail = update_detail;
  for (const auto& u : tensors)
    if (u.state.size() < R::kStates || u.state.size() > detail::kMostStates)
      fail("[update] a rule with {} states a parameter met one with {}", R::kStates, u.state.size());
  std::vector<Measured> measured(tensors.size());
  std::vector<size_t> plain;
  for (size_t i = 0; i < tensors.size(); ++i)
    if (detail::in_one_layout(tensors[i]))
      plain.push_back(i);
    else
      measured[i] = detail::by_tensors(rule_of(i), tensors[i], use);

  std::vector<detail::Memory> memory;
  std::vector<R> rules;
  std::vector<int64_t> sizes;
  size_t blocks = 0;
  for (const auto i : plain) {
    const auto& u = tensors[i];
    detail::Memory m{u.param.data_ptr(), u.grad.data_ptr(), u.value().data_ptr(), {}, u.param.scalar_type(), use.scale,
                     use.bound,          use.zero};
    for (size_t s = 0; s < u.state.size(); ++s) m.state[s] = u.state[s].data_ptr();
    memory.push_back(m);
    rules.push_back(rule_of(i));
    sizes.push_back(u.param.numel());
    blocks += static_cast<size_t>((u.param.numel() + detail::kBlock - 1) / detail::kBlock);
  }
  std::vector<Measured> parts(R::kMeasures ? blocks : 0);
  std::vector<size_t> part_of(parts.size());
  detail::each_block(sizes, [&](size_t tensor, int64_t begin, int64_t end, size_t number) {
    const auto part = detail::run_block(rules[tensor], memory[tensor], begin, end);
    if constexpr (R::kMeasures) parts[number] = {part[0], part[1]}, part_of[number] = plain[tensor];
  });
  for (size_t i = 0; i < parts.size(); ++i) {
    measured[part_of[i]].value += parts[i].value;
    measured[part_of[i]].result += parts[i].result;
  }
  return measured;
}

/// Applies one rule to all.
template <class R>
std::vector<Measured> update(const R& rule, std::vector<Updated>& tensors, const GradientUse& use) {
  return update_each([&](size_t) -> const R& { return rule; }, tensors, use);
}

}  // namespace hadal
