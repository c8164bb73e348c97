# A file of Hadal's takes six to nine seconds by itself, most of which LibTorch's templates cost, and they cost as much for
# eight files of a folder in one. So a build from scratch takes less than half the time; what one change costs grows a little.
option(HADAL_UNITY "Compile up to eight files of a folder as one" ON)
if(HADAL_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # With more to inline, g++ 12 takes the empty states of std::optional and std::variant for members that nobody set; and a
  # .cpp that another one includes for a header, where unnamed namespaces would be a mistake.
  target_compile_options(hadal_parts INTERFACE -Wno-maybe-uninitialized -Wno-subobject-linkage)
endif()

# Names in unnamed namespaces have to differ within a folder. What includes C libraries, *_media.cpp, and kernels stay apart.
function(hadal_unity target)
  if(NOT HADAL_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources EXCLUDE REGEX "(_media|_absent|_avx2|_avx512|_avx512bf16|/main)\\.cpp$|_media_test\\.cpp$")
  foreach(source ${sources})
    cmake_path(GET source PARENT_PATH folder)
    string(MAKE_C_IDENTIFIER "${folder}" name)
    math(EXPR count_${name} "${count_${name}} + 0")
    math(EXPR group "${count_${name}} / 8")
    math(EXPR count_${name} "${count_${name}} + 1")
    set_property(SOURCE ${source} PROPERTY UNITY_GROUP "${name}_${group}")
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()
