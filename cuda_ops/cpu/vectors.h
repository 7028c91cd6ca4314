// Vectors of LANES numbers, and the functions of them that marching needs.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Vectors have the processor's own width. SHUFFLED picks lanes from two vectors by number, those of the second counted on.
#if defined(__AVX512F__)
#define LANES 16
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define LOWER_IN_TURN 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER_IN_TURN 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define WIDE(operation) _mm512_##operation
#elif defined(__AVX__)
#define LANES 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#define LOWER_IN_TURN 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER_IN_TURN 4, 12, 5, 13, 6, 14, 7, 15
#define WIDE(operation) _mm256_##operation
#else
#define LANES 4
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#define LOWER_IN_TURN 0, 4, 1, 5
#define UPPER_IN_TURN 2, 6, 3, 7
#define WIDE(operation) _mm_##operation
#endif
#if defined(__clang__)
#define SHUFFLED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLED(a, b, ...) __builtin_shuffle(a, b, Ints{__VA_ARGS__})
#endif
#define SAMPLES_AT_ONCE (LANES == 16 ? 8 : 4)
#define LOOKED_UP_AT_ONCE (LANES == 16 ? 8 : 4)  // vectors
#define LATE_AT_ONCE 4

// Keeps a product from being fused with the sum that follows: positions must round as PyTorch's do, rough planes enlarge the difference.
#if defined(__x86_64__) || defined(__i386__)
#define ROUNDED(value) __asm__("" : "+x"(value))
#elif defined(__aarch64__)
#define ROUNDED(value) __asm__("" : "+w"(value))
#else
#define ROUNDED(value)
#endif

typedef float Floats __attribute__((vector_size(4 * LANES), may_alias));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * LANES), may_alias));

namespace {

const float LOG2_E = 1.44269504f;

inline Floats all(float value) { return value - Floats{}; }
#if defined(__x86_64__)  // the compiler does not see a maximum in a comparison with a constant
inline Floats larger(Floats a, Floats b) { return WIDE(max_ps)(a, b); }
inline Floats smaller(Floats a, Floats b) { return WIDE(min_ps)(a, b); }
#else
inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }
inline Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
#endif
inline Floats& at(float* values) { return *reinterpret_cast<Floats*>(values); }
inline const Floats& at(const float* values) { return *reinterpret_cast<const Floats*>(values); }
inline Floats from(const float* anywhere) { return *reinterpret_cast<const Unaligned*>(anywhere); }
inline Ints& at(int32_t* values) { return *reinterpret_cast<Ints*>(values); }
inline const Ints& at(const int32_t* values) { return *reinterpret_cast<const Ints*>(values); }

inline Ints larger(Ints a, Ints b) { return a > b ? a : b; }
inline Ints smaller(Ints a, Ints b) { return a < b ? a : b; }
inline Floats where(Ints mask, Floats a, Floats b) { return (Floats)(((Ints)a & mask) | ((Ints)b & ~mask)); }

// Of rows of LANES numbers, each lane's own: number[lane] says which row.
#if defined(__AVX512F__)
const Ints IN_LANES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
inline Floats picked(const float* rows, Ints number) { return _mm512_i32gather_ps((__m512i)(number * LANES + IN_LANES), rows, 4); }
inline void put(float* rows, Ints number, Floats value) { _mm512_i32scatter_ps(rows, (__m512i)(number * LANES + IN_LANES), value, 4); }
inline void put(int32_t* rows, Ints number, Ints value) {
    _mm512_i32scatter_epi32(rows, (__m512i)(number * LANES + IN_LANES), (__m512i)value, 4);
}
#else
inline Floats picked(const float* rows, Ints number) {
    Floats value;
    for (int lane = 0; lane < LANES; lane++) value[lane] = rows[number[lane] * LANES + lane];
    return value;
}
template <class Number, class Numbers>
inline void put(Number* rows, Ints number, Numbers value) {
    for (int lane = 0; lane < LANES; lane++) rows[number[lane] * LANES + lane] = value[lane];
}
#endif

// Functions of GROUP vectors do the same step of all of them in turn: a step waits for the one before it, but not for its neighbours.

// The whole number nearest to a power of 2, as `times_2_to` takes it; `left` is the rest of the power, in -0.5..0.5.
#if defined(__AVX512F__)
inline Floats nearest(Floats power, Floats& left) {
    const Floats whole = _mm512_roundscale_ps(power, _MM_FROUND_TO_NEAREST_INT);
    left = power - whole;
    return whole;
}
inline Floats times_2_to(Floats whole, Floats value) { return _mm512_scalef_ps(value, whole); }
#else
inline Floats nearest(Floats power, Floats& left) {
    const float shift = 12582912.0f;  // adding it rounds to a whole number, which then stands in the lowest bits
    power = larger(all(-126.0f), power);  // in this order what is not a number stays so
    const Floats whole = power + shift;
    left = power - (whole - shift);
    return whole;
}
inline Floats times_2_to(Floats whole, Floats value) { return (Floats)((Ints)value + ((Ints)whole << 23)); }
#endif

// 2^x; x must not pass 127; what is below -126 becomes 2^-126 or less.
template <int GROUP>
inline void power_of_2(const Floats (&x)[GROUP], Floats (&value)[GROUP]) {
    Floats whole[GROUP], left[GROUP];
    for (int v = 0; v < GROUP; v++) {
        whole[v] = nearest(x[v], left[v]);
        value[v] = all(EXP2[5]);
    }
    for (int k = 4; k >= 0; k--)
        for (int v = 0; v < GROUP; v++) value[v] = value[v] * left[v] + EXP2[k];
    for (int v = 0; v < GROUP; v++) value[v] = times_2_to(whole[v], value[v]);
}

// log2(1 + 2^x) in place of x
template <int GROUP>
inline void softplus_2(Floats (&x)[GROUP]) {
    Floats e[GROUP], series[GROUP];
    for (int v = 0; v < GROUP; v++) {
        series[v] = (Floats)((Ints)x[v] | INT32_MIN);
        x[v] = larger(x[v], Floats{});
    }
    power_of_2(series, e);
    for (int v = 0; v < GROUP; v++) series[v] = all(LOG2_1P[7]);
    for (int k = 6; k >= 0; k--)
        for (int v = 0; v < GROUP; v++) series[v] = series[v] * e[v] + LOG2_1P[k];
    for (int v = 0; v < GROUP; v++) x[v] += e[v] * series[v];
}

// The same to 5e-7, for hidden units: most of a head's arithmetic.
template <int GROUP>
inline void hidden_softplus_2(Floats (&x)[GROUP]) {
#if defined(__AVX512DQ__)
    const int at_once = GROUP < 4 ? GROUP : 4, smallest_without_sign = 10;
    for (int first = 0; first < GROUP; first += at_once) {
        Floats distance[at_once], tail[at_once];
        Ints piece[at_once];  // in the lowest bits
        for (int v = 0; v < at_once; v++)
            distance[v] = _mm512_range_ps(x[first + v], all((PIECES - 1) / PIECES_PER_UNIT), smallest_without_sign);
        for (int v = 0; v < at_once; v++) piece[v] = (Ints)(distance[v] * PIECES_PER_UNIT + 12582912.0f);
        const int degree = sizeof(SOFTPLUS_2_TAIL) / sizeof(SOFTPLUS_2_TAIL[0]) - 1;
        for (int k = degree; k >= 0; k--) {
            const Floats nearer = at(SOFTPLUS_2_TAIL[k]), farther = at(SOFTPLUS_2_TAIL[k] + LANES);
            for (int v = 0; v < at_once; v++) {
                const Floats coefficient = _mm512_permutex2var_ps(nearer, (__m512i)piece[v], farther);
                tail[v] = k == degree ? coefficient : tail[v] * distance[v] + coefficient;
            }
        }
        for (int v = 0; v < at_once; v++) x[first + v] = tail[v] + larger(Floats{}, x[first + v]);  // keeps what is not a number
    }
#else
    softplus_2(x);
#endif
}

#if defined(__AVX512F__)  // to 1e-7 of it, four times as fast as a division
inline Floats reciprocal(Floats value) {
    const Floats guess = _mm512_rcp14_ps(value);
    return guess * (2.0f - value * guess);
}
#else
inline Floats reciprocal(Floats value) { return 1.0f / value; }
#endif

// 1 / (1 + exp(-x)) in place of x
template <int GROUP>
inline void sigmoid(Floats (&x)[GROUP]) {
    Floats e[GROUP];
    for (int v = 0; v < GROUP; v++) x[v] = smaller(x[v] * -LOG2_E, all(120.0f));
    power_of_2(x, e);
    for (int v = 0; v < GROUP; v++) x[v] = reciprocal(1.0f + e[v]);
}

// Rows of a square become its columns.
inline void transpose(Floats (&rows)[LANES]) {
    for (int step = 1; step < LANES; step *= 2) {
        Floats mixed[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            mixed[2 * i] = SHUFFLED(rows[i], rows[i + LANES / 2], LOWER_IN_TURN);
            mixed[2 * i + 1] = SHUFFLED(rows[i], rows[i + LANES / 2], UPPER_IN_TURN);
        }
        for (int i = 0; i < LANES; i++) rows[i] = mixed[i];
    }
}

// Sums of the rows of a square; replaces it.
inline Floats row_sums(Floats (&rows)[LANES]) {
    for (int count = LANES / 2; count; count /= 2)
        for (int i = 0; i < count; i++)
            rows[i] = SHUFFLED(rows[2 * i], rows[2 * i + 1], EVEN) + SHUFFLED(rows[2 * i], rows[2 * i + 1], ODD);
    return rows[0];
}

}  // namespace
