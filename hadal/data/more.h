// What training sees besides its data's own examples, or instead of all of them; what is scored never changes by it.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/config.h"

namespace hadal {

struct MoreData {
  std::vector<std::string> more;
  int64_t labels = 0, labels_seed = 1;

  static Fields<MoreData> fields();
  bool any() const { return !more.empty() || labels > 0; }
};

/// The settings of a kind of data, and these.
template <class C>
struct WithMore : C, MoreData {
  static Fields<WithMore> fields() {
    Fields<WithMore> out(C::fields(), {});
    const Fields<WithMore> own(MoreData::fields(), {});
    out.list.insert(out.list.end(), own.list.begin(), own.list.end());
    return out;
  }
};

/// Which examples are learned from where only how.labels are: as many of each class, the same ones for the same
/// `labels_seed`; where the classes do not divide them, one more of some. All of them where it is 0. `label_of` are the
/// examples' classes. In ascending order. Throws UsageError where a class has too few, or there are fewer than classes.
std::vector<int64_t> chosen_examples(const std::vector<int64_t>& label_of, const std::vector<std::string>& classes,
                                     const MoreData& how);

}  // namespace hadal
