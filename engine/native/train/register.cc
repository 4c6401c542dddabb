// trainCompile and trainRun: a training step as a list of operations over typed arrays, run off the JavaScript thread.
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <string>

#include "common/napi.h"
#include "common/thread_pool.h"
#include "module.h"
#include "train/op.h"

namespace fovea {
namespace train {

const OpKind* find_op(const std::string& name) {
  for (const auto* table : {&convolution_ops, &normalisation_ops, &pooling_ops, &mask_ops, &loss_ops, &branch_ops, &distil_ops, &join_ops,
                            &map_normalisation_ops, &pixel_attention_ops})
    for (const OpKind& kind : *table)
      if (name == kind.name) return &kind;
  return nullptr;
}

namespace {

constexpr long kMostElements = 1L << 31;

struct Program {
  std::vector<Op> ops;
  // An array that references every typed array used, so that none is garbage-collected.
  napi_ref arrays = nullptr;
  bool running = false;

  void released(napi_env env) { napi_delete_reference(env, arrays); }
};

constexpr napi_type_tag program_tag = {0x2b95d1c46fe80a37, 0xc4178e03d95ab26f};

struct Run {
  Program* program;
  napi_ref keep = nullptr;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  long first, last;
  int threads;
  int32_t* stop;
  double* seconds;
  bool finished = false;
  std::string failure;
};

std::string text(napi_env env, napi_value value) {
  char buffer[64] = {};
  size_t length = 0;
  check_status(napi_get_value_string_utf8(env, value, buffer, sizeof buffer, &length), "the name of an operation");
  return std::string(buffer, length);
}

// Any typed array of 4-byte elements.
Span read_span(napi_env env, napi_value value, const std::string& name) {
  bool typed = false;
  napi_is_typedarray(env, value, &typed);
  require(typed, name, " is not a 4-byte typed array");
  Span span;
  napi_typedarray_type type;
  size_t length = 0;
  check_status(napi_get_typedarray_info(env, value, &type, &length, &span.data, nullptr, nullptr), name.c_str());
  require(type == napi_float32_array || type == napi_int32_array || type == napi_uint32_array, name,
          " is not a 4-byte typed array");
  span.length = static_cast<long>(length);
  return span;
}

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, object, &type);
  require(type == napi_object, "an operation is not an object");
  napi_value value;
  check_status(napi_get_named_property(env, object, name, &value), "an operation");
  return value;
}

// Calls visit(element) for every element of an array.
template <class Visit>
void for_elements(napi_env env, napi_value array, const std::string& name, Visit&& visit) {
  uint32_t length = 0;
  check_status(napi_get_array_length(env, array, &length), name.c_str());
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check_status(napi_get_element(env, array, i, &element), name.c_str());
    visit(element);
  }
}

Op read_op(napi_env env, napi_value item, const std::function<void(napi_value)>& keep) {
  const std::string label = text(env, property(env, item, "op"));
  Op op;
  op.kind = find_op(label);
  require(op.kind, "no operation is called ", label);
  for_elements(env, property(env, item, "dims"), label + ": dims", [&](napi_value number) {
    double value = 0;
    check_status(napi_get_value_double(env, number, &value), (label + ": a dimension").c_str());
    require(value >= 0 && value < kMostElements && value == std::floor(value), label, ": dimension ", op.dims.size(),
            " is ", value, "; an integer of 0 to 2^31 - 1 is accepted");
    op.dims.push_back(static_cast<long>(value));
  });
  for_elements(env, property(env, item, "buffers"), label + ": buffers", [&](napi_value array) {
    op.buffers.push_back(read_span(env, array, label + ": buffer " + std::to_string(op.buffers.size())));
    keep(array);
  });
  require(op.dims.size() >= op.kind->dims, label, ": ", op.dims.size(), " dimensions, ", op.kind->dims, " are needed");
  const std::vector<long> needs = op.kind->needs(op.dims);
  for (const long count : needs)
    require(count >= 0, label, ": its dimensions do not go together, or make more values than there can be");
  require(op.buffers.size() == needs.size(), label, ": ", op.buffers.size(), " buffers, ", needs.size(), " are needed");
  for (size_t b = 0; b < needs.size(); b++)
    require(needs[b] <= op.buffers[b].length, label, ": buffer ", b, " needs ", needs[b], " values, has ",
            op.buffers[b].length);
  return op;
}

// The arrays must have the memory that they were checked with: JavaScript may have transferred or resized them since.
void check_arrays(napi_env env, const Program& program) {
  napi_value arrays;
  check_status(napi_get_reference_value(env, program.arrays, &arrays), "program");
  uint32_t next = 0;
  for (const Op& op : program.ops)
    for (size_t b = 0; b < op.buffers.size(); b++) {
      napi_value array;
      check_status(napi_get_element(env, arrays, next++, &array), "program");
      const std::string name = std::string(op.kind->name) + ": buffer " + std::to_string(b);
      const Span now = read_span(env, array, name);
      require(now.data == op.buffers[b].data && now.length == op.buffers[b].length, name,
              " was transferred or resized after the program was compiled");
    }
}

// trainCompile(ops: { op: string, dims: number[], buffers: TypedArray[] }[]): program
napi_value compile(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 1);
    auto program = std::make_unique<Program>();
    napi_value arrays;
    check_status(napi_create_array(env, &arrays), "the program");
    uint32_t held = 0;
    for_elements(env, arguments[0], "the list of operations", [&](napi_value item) {
      program->ops.push_back(read_op(env, item, [&](napi_value array) {
        check_status(napi_set_element(env, arrays, held++, array), "a buffer");
      }));
    });
    check_status(napi_create_reference(env, arrays, 1, &program->arrays), "the program");
    return wrap(env, program_tag, std::move(program), "training program");
  });
}

void execute(napi_env, void* data) {
  Run& run = *static_cast<Run*>(data);
  try {
    Team team(run.threads);
    for (long i = run.first; i < run.last; i++) {
      if (__atomic_load_n(run.stop, __ATOMIC_RELAXED) != 0) return;
      const auto begin = std::chrono::steady_clock::now();
      Op& op = run.program->ops[i];
      op.kind->run(op, team);
      run.seconds[i] += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    run.finished = true;
  } catch (const std::exception& error) {
    run.failure = message_of(error);
  }
}

void complete(napi_env env, napi_status, void* data) {
  std::unique_ptr<Run> run(static_cast<Run*>(data));
  run->program->running = false;
  if (run->failure.empty()) {
    napi_value finished;
    napi_get_boolean(env, run->finished, &finished);
    napi_resolve_deferred(env, run->deferred, finished);
  } else {
    napi_reject_deferred(env, run->deferred, make_error(env, "bad-argument", run->failure.c_str()));
  }
  napi_delete_async_work(env, run->work);
  napi_delete_reference(env, run->keep);
}

// trainRun(program, first, last, threads, stop: Int32Array(1), seconds: Float64Array(ops)): Promise<boolean>
// Runs operations first … last − 1; false when `stop` was set before the end. What the arrays hold must not be given
// away before it has ended: JavaScript offers no way to keep it.
napi_value start(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 6);
    auto run = std::make_unique<Run>();
    run->program = &unwrap<Program>(env, program_tag, arguments[0], "training program");
    const int count = static_cast<int>(run->program->ops.size());
    run->first = arguments.integer(1, "first operation", 0, count);
    run->last = arguments.integer(2, "last operation", static_cast<int>(run->first), count);
    run->threads = arguments.integer(3, "threads", 1, max_threads);
    run->stop = arguments.array<int32_t>(4, "stop", 1).data;
    run->seconds = arguments.array<double>(5, "seconds", run->program->ops.size()).data;
    require(!run->program->running, "this program is running already");
    check_arrays(env, *run->program);
    napi_value keep, promise, label;
    check_status(napi_create_array_with_length(env, 3, &keep), "run");
    for (const uint32_t i : {0, 1, 2}) check_status(napi_set_element(env, keep, i, arguments[i == 0 ? 0 : i + 3]), "run");
    check_status(napi_create_reference(env, keep, 1, &run->keep), "run");
    check_status(napi_create_promise(env, &run->deferred, &promise), "promise");
    napi_create_string_utf8(env, "fovea train", NAPI_AUTO_LENGTH, &label);
    check_status(napi_create_async_work(env, nullptr, label, execute, complete, run.get(), &run->work), "run");
    check_status(napi_queue_async_work(env, run->work), "run");
    run->program->running = true;
    run.release();
    return promise;
  });
}

napi_value instruction_set(napi_env env, napi_callback_info) {
  napi_value name;
  napi_create_string_utf8(env, kernels().name, NAPI_AUTO_LENGTH, &name);
  return name;
}

}  // namespace
}  // namespace train

void register_train(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"trainCompile", nullptr, train::compile, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"trainRun", nullptr, train::start, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"trainInstructionSet", nullptr, train::instruction_set, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}

}  // namespace fovea
