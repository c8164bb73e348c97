#include "hadal/trained/inputs.h"

#include <algorithm>

#include <glob.h>

#include "hadal/core/utf8.h"
#include "hadal/data/text/parallel.h"
#include "hadal/data/vision/image_folder.h"
#include "hadal/io/archive.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

bool looks_like_sound(std::string_view path) {
  const auto ending = fs::path(path).extension().string();
  return ending == ".wav" || ending == ".flac" || ending == ".ogg";
}

/// Texts and tables may be gzip.
InputSource file_source(const std::string& path, Takes takes) {
  const bool packed = takes == Takes::text || takes == Takes::table;
  return {path, [path, packed] { return Input{path, packed ? read_gz(path) : read_file(path), {}}; }};
}

InputSource video_source(const std::string& path) {
  return {path, {}, [path] { return std::make_unique<VideoReader>(path); }};
}

/// What a pattern that a shell left as it was stands for, sorted; the path itself where it is one.
std::vector<std::string> matches_of(const std::string& path) {
  if (fs::exists(path)) return {path};
  std::vector<std::string> out;
  if (path.find_first_of("*?[") != std::string::npos) {
    glob_t found{};
    if (::glob(path.c_str(), 0, nullptr, &found) == 0) out.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    if (out.empty()) fail_usage("nothing matches {}", path);
  }
  if (out.empty()) fail_usage("there is no file or folder {}", path);
  return out;
}

void add_folder(const std::string& folder, Takes takes, std::vector<InputSource>& out) {
  const auto before = out.size();
  const FileTree tree(folder);
  for (int64_t i = 0; i < tree.size(); ++i) {
    if (takes == Takes::picture ? is_picture(tree, i) : looks_like_sound(tree.path(i)))
      out.push_back(file_source(tree.name(i), takes));
    else if (takes == Takes::picture && named_like_video(tree.path(i)))
      out.push_back(video_source(tree.name(i)));
  }
  if (out.size() == before)
    fail("{} holds no {}", folder,
         takes == Takes::picture ? "picture (jpg, png, webp, bmp) and no video" : "sound (wav, flac, ogg)");
}

void add_lines(const std::string& path, std::vector<InputSource>& out) {
  try {
    auto lines = read_lines(path);
    for (size_t i = 0; i < lines.size(); ++i) {
      const auto name = fmt::format("{}:{}", path, i + 1);
      out.push_back({name, [name, line = std::move(lines[i])] { return Input{name, line, {}}; }});
    }
  } catch (const Error& error) {
    out.push_back({path, [what = std::string(error.what())]() -> Input { throw Error(what); }});
  }
}

}  // namespace

std::string plural_of(Takes takes) {
  switch (takes) {
    case Takes::picture:
      return "pictures";
    case Takes::text:
    case Takes::lines:
      return "texts";
    case Takes::table:
      return "CSV files";
    case Takes::sound:
      return "sounds";
    case Takes::nothing:
      break;
  }
  return "nothing";
}

std::vector<InputSource> list_inputs(Takes takes, const std::vector<std::string>& paths,
                                     const std::vector<std::string>& texts) {
  const bool reads_texts = takes == Takes::text || takes == Takes::lines;
  require(texts.empty() || reads_texts, "text= is for models that read texts; this one wants {}", plural_of(takes));
  std::vector<InputSource> out;
  std::vector<std::string> named;
  for (const auto& path : paths)
    for (auto& match : matches_of(path)) named.push_back(std::move(match));
  for (const auto& path : named) {
    const bool folder = fs::is_directory(path);
    if (takes == Takes::picture && fs::is_character_file(path))
      fail_usage(
          "{} is a device; a camera comes in through a pipe: mkfifo camera.mkv, then ffmpeg -f v4l2 -i {} -c:v mpeg4 "
          "-y "
          "camera.mkv beside hadal predict ... camera.mkv",
          path, path);
    if (folder && (takes == Takes::picture || takes == Takes::sound))
      add_folder(path, takes, out);
    else if (takes == Takes::lines)
      add_lines(path, out);
    else if (takes == Takes::picture && looks_like_video(path))
      out.push_back(video_source(path));
    else
      out.push_back(file_source(path, takes));
  }
  for (const auto& text : texts)
    out.push_back({"text", [text] {
                     check_utf8(text, "text=");
                     return Input{"text", text, {}};
                   }});
  return out;
}

}  // namespace hadal
