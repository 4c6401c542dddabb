// Descriptions of programs, for JavaScript.
#include "infer/boundary.h"
#include "infer/describe.h"

namespace fovea {

namespace {

// For one instruction: what it would do, whether there is an alternative, and the amounts of both.
constexpr int row_values = tally_count + 1 + 2 * amount_count;

napi_value text_value(napi_env env, const char* text) {
  napi_value value;
  check_status(napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value), "text");
  return value;
}

// Names of the amounts in order, each with its part of a Profile and, where it has one, its place and unit.
napi_value amounts(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    constexpr const char* shares[] = {"compute", "data", "overhead"};
    constexpr const char* places[] = {nullptr, "near", "far", "memory"};
    constexpr const char* units[] = {"bytes", "pieces"};
    napi_value list;
    napi_create_array_with_length(env, amount_count, &list);
    for (int i = 0; i < amount_count; i++) {
      napi_value entry;
      napi_create_object(env, &entry);
      napi_set_named_property(env, entry, "name", text_value(env, amount_names[i].name));
      napi_set_named_property(env, entry, "share", text_value(env, shares[static_cast<int>(amount_names[i].share)]));
      if (const char* place = places[static_cast<int>(amount_names[i].place)]) {
        napi_set_named_property(env, entry, "place", text_value(env, place));
        napi_set_named_property(env, entry, "unit", text_value(env, units[static_cast<int>(amount_names[i].unit)]));
      }
      napi_set_element(env, list, i, entry);
    }
    return list;
  });
}

// Vector lanes of an instruction set; undefined for an unknown one.
napi_value lanes(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info, 1);
    const TileShape* shape = find_tile_shape(arguments.text(0, "instruction set").c_str());
    return shape ? number_value(env, shape->lanes) : nullptr;
  });
}

napi_value open(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 1);
    const std::string isa = arguments.text(0, "instruction set");
    const TileShape* shape = find_tile_shape(isa.c_str());
    if (!shape) reject("instruction set " + isa + ": avx512, avx2, neon and portable are known");
    return wrap_session(env, std::make_shared<Session>(*shape));
  });
}

napi_value add_outline(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 2);
    Session& session = idle_session(env, arguments[0]);
    if (session.runs()) reject("the session runs programs and takes weights");
    const auto words = arguments.array<int32_t>(1, "geometry", 16);
    return number_value(env, session.add_outline(read_geometry(words.data), read_finish(words.data + 13)));
  });
}

napi_value describe(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info, 8);
    Session& session = idle_session(env, arguments[0]);
    Program& program = session.program(arguments.integer(1, "program", 0, 1 << 30));
    const int threads = arguments.integer(2, "threads", 1, max_threads);
    const double near_bytes = arguments.number(3, "nearBytes"), far_bytes = arguments.number(4, "farBytes");
    if (!(near_bytes >= 1) || !(far_bytes >= near_bytes)) reject("cache sizes must be at least 1 byte, and ascend");
    double run_bytes = arguments.number(5, "weightBytes");
    if (!(run_bytes >= 0)) reject("weightBytes must be at least 0");
    for (const double values : program.buffer_sizes()) run_bytes += sizeof(float) * values;
    const size_t regions = program.regions().size();
    const auto counts = arguments.array<double>(6, "counts", 2 * regions + program.masks().size());
    for (size_t i = 0; i < counts.length; i++)
      if (!(counts.data[i] >= 0)) reject("counts must be at least 0");
    const auto rows = arguments.array<double>(7, "rows", static_cast<size_t>(program.instruction_count()) * row_values);
    const DescribeSetting setting{session.shape(), threads, session.band_pixels(), near_bytes, far_bytes, run_bytes};
    std::vector<Description> descriptions;
    const double* pixels = counts.data;
    program.describe(session, setting, {pixels, pixels + regions, pixels + 2 * regions}, descriptions);
    double* row = rows.data;
    for (const Description& description : descriptions) {
      const Tally& tally = description.tally;
      for (const double value : {tally.bands, tally.items, tally.tiles, tally.units}) *row++ = value;
      *row++ = description.has_other ? 1 : 0;
      for (const Amounts* amounts : {&description.amounts, &description.other})
        row = std::copy(amounts->values().begin(), amounts->values().end(), row);
    }
    return nullptr;
  });
}

// What each instruction of the last counted run did.
napi_value read_tallies(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 3);
    const std::vector<Tally>& tallies = call.program.tallies();
    double* to = call.arguments.array<double>(2, "tallies", tallies.size() * tally_count).data;
    for (const Tally& tally : tallies)
      for (const double value : {tally.bands, tally.items, tally.tiles, tally.units}) *to++ = value;
    return nullptr;
  });
}

}  // namespace

void register_descriptions(napi_env env, napi_value exports) {
  export_function(env, exports, "inferAmounts", amounts);
  export_function(env, exports, "inferLanes", lanes);
  export_function(env, exports, "inferOutlines", open);
  export_function(env, exports, "inferOutline", add_outline);
  export_function(env, exports, "inferDescribe", describe);
  export_function(env, exports, "inferTallies", read_tallies);
}

}  // namespace fovea
