#include "hadal/io/archive_links.h"

#include <algorithm>

#include "hadal/core/error.h"
#include "hadal/io/archive_formats.h"
#include "hadal/io/bytes.h"

namespace hadal::archive_format {
namespace {

constexpr int kMaxLinks = 64;  // one behind another; systems follow 40

std::string_view folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string below(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

/// The parts of a path, the last first.
std::vector<std::string> parts_backwards(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const auto slash = path.rfind('/');
    const auto part = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (!part.empty() && part != ".") out.emplace_back(part);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  }
  return out;
}

}  // namespace

void EntryTree::refuse(const std::string& link, const std::string& target, std::string_view why) const {
  throw FileError(name_, fmt::format("{} is a link to {}, which {}", shown(link), shown(target), why));
}

void EntryTree::add(std::string_view path, Node node) {
  auto tidied = tidy(path);
  if (tidied.empty()) return;
  nodes_[std::move(tidied)] = std::move(node);
  if (static_cast<int64_t>(nodes_.size()) > limits_.max_files)
    throw FileError(name_, fmt::format("more than {} files", limits_.max_files));
}

void EntryTree::add_file(std::string_view path, size_t file) { add(path, {Node::kFile, file, ""}); }
void EntryTree::add_folder(std::string_view path) { add(path, {Node::kFolder, 0, ""}); }
void EntryTree::add_link(std::string_view path, std::string_view target) {
  add(path, {Node::kLink, 0, std::string(target)});
}

/// What is there now is what unpacking would link to, whatever takes its place later.
void EntryTree::add_hard_link(std::string_view path, std::string_view target) {
  const auto* found = find(tidy(target));
  if (found && found->kind != Node::kFolder) {
    if (tidy(path) != tidy(target)) add(path, *found);
  } else {
    add(path, {Node::kHardLink, 0, std::string(target)});
  }
}

const EntryTree::Node* EntryTree::find(std::string_view path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second;
}

/// Folders need no entry of their own.
bool EntryTree::is_folder(std::string_view path) const {
  if (path.empty()) return true;
  if (const auto* node = find(path)) return node->kind == Node::kFolder;
  const auto inside = std::string(path) + "/";
  const auto next = nodes_.lower_bound(inside);
  return next != nodes_.end() && next->first.starts_with(inside);
}

/// Those to entries that come later.
void EntryTree::settle_hard_links() {
  for (auto& [path, node] : nodes_) {
    if (node.kind != Node::kHardLink) continue;
    const auto first = node.target;
    for (int count = 0; node.kind == Node::kHardLink; ++count) {
      if (count == kMaxLinks) refuse(path, first, "leads in a circle");
      const auto target = tidy(node.target);
      const auto* found = find(target);
      if (!found || found->kind == Node::kFolder) refuse(path, first, "is no file in the archive");
      if (found == &node) refuse(path, first, "leads in a circle");
      node = Node(*found);
    }
  }
}

std::string EntryTree::resolve(const std::string& from, const Node& link) const {
  std::string at(folder_of(from));
  if (link.target.starts_with('/')) refuse(from, link.target, "lies outside of the archive");
  auto rest = parts_backwards(link.target);
  for (int count = 0; !rest.empty();) {
    const auto part = std::move(rest.back());
    rest.pop_back();
    if (part == "..") {
      if (at.empty()) refuse(from, link.target, "lies outside of the archive");
      at = folder_of(at);
      continue;
    }
    const auto next = below(at, part);
    const auto* node = find(next);
    if (node && node->kind == Node::kLink) {
      if (++count > kMaxLinks) refuse(from, link.target, "leads in a circle");
      if (node->target.starts_with('/')) refuse(from, link.target, "leads outside of the archive");
      for (auto& more : parts_backwards(node->target)) rest.push_back(std::move(more));
      // Targets of 64 links that name each other again and again would have no end.
      if (rest.size() > 4096) refuse(from, link.target, "leads in a circle");
      continue;
    }
    if (!node && !is_folder(next)) refuse(from, link.target, "is nowhere in the archive");
    if (node && node->kind == Node::kFile && !rest.empty()) refuse(from, link.target, "leads through a file");
    at = next;
  }
  return at;
}

void EntryTree::put(std::string path, size_t file) {
  letters_ += static_cast<int64_t>(path.size());
  if (static_cast<int64_t>(listed_.size()) >= limits_.max_files || letters_ > limits_.max_bytes)
    throw FileError(name_, fmt::format("more than {} files with those behind links", limits_.max_files));
  listed_.emplace_back(std::move(path), file);
}

void EntryTree::list_link(const std::string& real, const std::string& shown_as, const Node& link) {
  const auto target = resolve(real, link);
  const auto* node = find(target);
  if (node && node->kind == Node::kFile) return put(shown_as, node->file);
  if (target.empty() || real.starts_with(target + "/"))
    refuse(real, link.target, "is a folder that the link itself lies in");
  if (std::find(inside_.begin(), inside_.end(), target) != inside_.end())
    refuse(real, link.target, "leads in a circle");
  inside_.push_back(target);
  list_below(target, shown_as);
  inside_.pop_back();
}

void EntryTree::list_below(const std::string& folder, const std::string& shown_as) {
  const auto prefix = folder + "/";
  for (auto at = nodes_.lower_bound(prefix); at != nodes_.end() && at->first.starts_with(prefix); ++at) {
    if (++visits_ > limits_.max_files)
      throw FileError(name_, fmt::format("more than {} files behind links", limits_.max_files));
    const auto rest = at->first.substr(prefix.size());
    if (is_left_behind(rest)) continue;
    if (at->second.kind == Node::kFile) put(below(shown_as, rest), at->second.file);
    if (at->second.kind == Node::kLink) list_link(at->first, below(shown_as, rest), at->second);
  }
}

std::vector<std::pair<std::string, size_t>> EntryTree::list() {
  settle_hard_links();
  for (const auto& [path, node] : nodes_) {
    if (node.kind == Node::kLink)
      if (const auto next = nodes_.lower_bound(path + "/"); next != nodes_.end() && next->first.starts_with(path + "/"))
        throw FileError(name_, fmt::format("{} lies in {}, which is a link", shown(next->first), shown(path)));
    if (is_left_behind(path)) continue;
    if (node.kind == Node::kFile) put(path, node.file);
    if (node.kind == Node::kLink) list_link(path, path, node);
  }
  std::sort(listed_.begin(), listed_.end());
  return std::move(listed_);
}

}  // namespace hadal::archive_format
