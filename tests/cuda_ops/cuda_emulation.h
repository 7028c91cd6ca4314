// Enough of CUDA for g++ to run march.cu: every thread is a fibre, the 32 fibres of a warp take turns and meet at each exchange.
// Comes before the kernel's source; cuda_emulation_launch.h comes after it.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __shared__
#define __launch_bounds__(...)

struct float4 {
    float x, y, z, w;
};
struct Index {
    unsigned x;
};
static Index threadIdx, blockIdx, blockDim;
float4 shared[1 << 16];

namespace emulation {

const int WARP = 32;
const size_t STACK = 256 << 10;

struct Meeting {
    int kind;
    uint32_t value;
};

ucontext_t scheduler, fibres[WARP];
std::vector<char> stacks(WARP* STACK);
Meeting meetings[2][WARP];  // those of one exchange are read while the next one is written
int turn[WARP];
bool over[WARP];
int lane;
unsigned first_thread;
std::function<void()> kernel;

inline void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "emulated kernel: %s\n", what);
    std::abort();
}

void enter() {
    kernel();
    over[lane] = true;
    swapcontext(&fibres[lane], &scheduler);
}

// Leaves a value and waits until all lanes have done so; then all see each other's.
inline const Meeting* meet(int kind, uint32_t value) {
    const int me = lane, mine = turn[me]++;
    meetings[mine % 2][me] = {kind, value};
    bool all;
    do {
        swapcontext(&fibres[me], &scheduler);
        all = true;
        for (int other = 0; other < WARP; other++) {
            require(!over[other] || turn[other] > mine, "a lane has left before an exchange of its warp");
            all = all && turn[other] > mine;
        }
    } while (!all);
    for (int other = 0; other < WARP; other++) require(meetings[mine % 2][other].kind == kind, "lanes meet at different exchanges");
    return meetings[mine % 2];
}

template <class Value>
Value exchange(int kind, Value value, int from) {
    static_assert(sizeof(Value) == 4, "an exchange is of 4 bytes");
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits = meet(kind, bits)[from].value;
    std::memcpy(&value, &bits, 4);
    return value;
}

void run_warp(unsigned block, unsigned warp) {
    blockIdx.x = block;
    first_thread = warp * WARP;
    for (lane = 0; lane < WARP; lane++) {
        turn[lane] = 0;
        over[lane] = false;
        getcontext(&fibres[lane]);
        fibres[lane].uc_stack.ss_sp = stacks.data() + lane * STACK;
        fibres[lane].uc_stack.ss_size = STACK;
        fibres[lane].uc_link = nullptr;
        makecontext(&fibres[lane], enter, 0);
    }
    for (int running = WARP; running;) {
        running = 0;
        for (lane = 0; lane < WARP; lane++) {
            if (over[lane]) continue;
            running++;
            threadIdx.x = first_thread + lane;
            swapcontext(&scheduler, &fibres[lane]);
        }
    }
}

}  // namespace emulation

inline void __syncwarp() { emulation::meet(1, 0); }
template <class Value>
Value __shfl_sync(unsigned, Value value, int from) {
    return emulation::exchange(2, value, from % 32);
}
template <class Value>
Value __shfl_xor_sync(unsigned, Value value, int with) {
    return emulation::exchange(3, value, emulation::lane ^ with);
}
template <class Value>
Value __shfl_up_sync(unsigned, Value value, int by) {
    return emulation::exchange(4, value, emulation::lane >= by ? emulation::lane - by : emulation::lane);
}
inline unsigned __ballot_sync(unsigned, bool mine) {
    const emulation::Meeting* all = emulation::meet(5, mine);
    unsigned ballot = 0;
    for (int lane = 0; lane < 32; lane++) ballot |= all[lane].value << lane;
    return ballot;
}
inline int __ffs(unsigned bits) { return __builtin_ffs(static_cast<int>(bits)); }
inline float __fmul_rn(float a, float b) {
    volatile float product = a * b;
    return product;
}
inline float __fadd_rn(float a, float b) { return a + b; }
