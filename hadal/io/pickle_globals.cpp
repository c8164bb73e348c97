#include <algorithm>

#include "hadal/io/pickle.h"

namespace hadal {

std::string_view dangerous_global(std::string_view module, std::string_view name) {
  static constexpr std::string_view kModules[] = {"os",
                                                  "posix",
                                                  "nt",
                                                  "ntpath",
                                                  "posixpath",
                                                  "subprocess",
                                                  "sys",
                                                  "shutil",
                                                  "socket",
                                                  "runpy",
                                                  "pty",
                                                  "importlib",
                                                  "imp",
                                                  "ctypes",
                                                  "pickle",
                                                  "_pickle",
                                                  "cPickle",
                                                  "marshal",
                                                  "code",
                                                  "codeop",
                                                  "commands",
                                                  "multiprocessing",
                                                  "webbrowser",
                                                  "asyncio",
                                                  "signal",
                                                  "threading",
                                                  "_thread",
                                                  "tempfile",
                                                  "operator",
                                                  "_operator",
                                                  "pdb",
                                                  "bdb",
                                                  "timeit",
                                                  "trace",
                                                  "cProfile",
                                                  "profile",
                                                  "ssl",
                                                  "urllib",
                                                  "urllib2",
                                                  "http",
                                                  "httplib",
                                                  "ftplib",
                                                  "smtplib",
                                                  "requests",
                                                  "platform",
                                                  "pip",
                                                  "setuptools",
                                                  "distutils",
                                                  "zipimport",
                                                  "gc",
                                                  "inspect",
                                                  "types",
                                                  "atexit",
                                                  "io",
                                                  "_io",
                                                  "fileinput",
                                                  "dill",
                                                  "cloudpickle",
                                                  "joblib",
                                                  "doctest",
                                                  "venv",
                                                  "pkgutil",
                                                  "_posixsubprocess"};
  // These two only hold what they are given, and whole models hold them; what a partial would call is a global of its
  // own and looked at as one.
  if ((module == "functools" && name == "partial") || (module == "types" && name == "SimpleNamespace")) return {};
  const auto top = module.substr(0, module.find('.'));
  if (std::find(std::begin(kModules), std::end(kModules), top) != std::end(kModules))
    return "reaches the system that loads it";
  // Of Python's built-ins only the plain types are data; the rest (eval, exec, getattr, __import__, open, ...) acts.
  static constexpr std::string_view kTypes[] = {"set",     "frozenset", "dict",   "list",  "tuple",     "int",
                                                "float",   "bool",      "str",    "bytes", "bytearray", "complex",
                                                "unicode", "long",      "object", "slice", "range",     "xrange"};
  if ((top == "builtins" || top == "__builtin__" || top == "__builtins__") &&
      std::find(std::begin(kTypes), std::end(kTypes), name) == std::end(kTypes))
    return "is a built-in function";
  if (module == "torch.hub" || ((module == "torch" || module == "torch.serialization") && name == "load") ||
      module == "numpy.testing._private.utils")
    return "calls others";
  return {};
}

std::string_view Pickle::class_of(const PickleNode& node) const {
  if (node.kind != PickleNode::kObject || !is(node.call, PickleNode::kGlobal)) return {};
  const auto& made_by = nodes_[node.call].text;
  // Protocols 0 and 1 make objects through a function that is given the class.
  if (made_by == "copy_reg _reconstructor" || made_by == "copyreg _reconstructor" || made_by == "copyreg __newobj__") {
    const auto& args = nodes_[node.args].items;
    if (!args.empty() && is(args[0], PickleNode::kGlobal)) return nodes_[args[0]].text;
  }
  return made_by;
}

const PickleNode* Pickle::get(const PickleNode& dict, std::string_view key) const {
  const PickleNode* found = nullptr;
  if (dict.kind != PickleNode::kDict && dict.kind != PickleNode::kObject) return found;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const auto& node = nodes_[dict.items[i]];
    if (node.kind == PickleNode::kString && node.text == key) found = &nodes_[dict.items[i + 1]];
  }
  return found;
}

}  // namespace hadal
