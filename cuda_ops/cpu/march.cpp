// Ray marching through a table of projected planes on processors (spec 07 sections 2 and 4.3).
//
// A block of LANES rays is marched at a time. What is done once per ray and depth (weights, distribution, positions) has one ray per
// vector lane; what is done per hidden unit or colour has one unit per lane. Every lane's numbers depend on its own ray alone, so
// neither chunks, threads nor neighbours change a bit of the result.
//
// Hidden units are in base 2: log2(1 + 2^x), their weights scaled to match (PackedDecoder).
//
// cuda_ops/cpu/extension.py puts EXP2, LOG2_1P and the sizes that the structs have in Python in front of this text.

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Vectors have the processor's own width. SHUFFLED picks lanes from two vectors by number, those of the second counted on.
#if defined(__AVX512F__)
#define LANES 16
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define WIDE(operation) _mm512_##operation
#elif defined(__AVX__)
#define LANES 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#define WIDE(operation) _mm256_##operation
#else
#define LANES 4
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#define WIDE(operation) _mm_##operation
#endif
#if defined(__clang__)
#define SHUFFLED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLED(a, b, ...) __builtin_shuffle(a, b, Ints{__VA_ARGS__})
#endif
#define SAMPLES_AT_ONCE (LANES == 16 ? 8 : 4)

// Keeps a product from being fused with the sum that follows: positions must round as PyTorch's do, rough planes enlarge the difference.
#if defined(__x86_64__) || defined(__i386__)
#define ROUNDED(value) __asm__("" : "+x"(value))
#elif defined(__aarch64__)
#define ROUNDED(value) __asm__("" : "+w"(value))
#else
#define ROUNDED(value)
#endif

typedef float Floats __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * LANES), may_alias));

extern "C" {

// A rectangle of texels: a point p lies at texel p[axis] * scale + shift of a side, counted from its first one. In a trigrid it is a stack
// of through_length such rectangles; all windows of a head are stacks, or none (0).
struct Window {
    int32_t across_axis, across_length, down_axis, down_length, start;
    float across_scale, across_shift, down_scale, down_shift;
    int32_t through_axis, through_length;
    float through_scale, through_shift;
};

// Unit counts are multiples of 16, padded with units that have no output weights; varying is a multiple of 16, padded with channels
// that are not written.
struct Head {
    const float* early;          // [texels, early_units] what the units that density hears receive
    const float* late;           // [texels, late_units] what the others receive
    const float* to_density;     // [early_units]
    const float* to_colour;      // [early_units + late_units, varying]
    const float* colour_bias;    // [varying]
    const float* constant;       // [channels] colour of the channels that are the same everywhere
    const int32_t* outputs;      // [written] their channels
    float density_bias;
    int32_t early_units, late_units, varying, written, channels, windows;
    Window window[3];
};

// A plane as a window reads it: where its first texel's first channel lies, and how many numbers further the next one is.
struct Sheet {
    const float* features;
    int64_t channel, row, column;
};

// What fills a window: the sum of its sheets, [height, width] each; the window's first texel is their texel (first_row, first_column),
// and there are zeros beyond their edges.
struct Sheets {
    int32_t first_row, first_column, height, width, count;
    Sheet sheet[2];
};

static_assert(sizeof(Window) == WINDOW_BYTES && sizeof(Head) == HEAD_BYTES, "fused_marching.py has other fields");
static_assert(sizeof(Sheet) == SHEET_BYTES && sizeof(Sheets) == SHEETS_BYTES, "cpu_ext.py has other fields");

int32_t prepare(const Window* windows, const Sheets* sheets, int32_t count, int32_t biased, const int64_t* channels, int32_t inputs,
                const float* weight, const float* bias, int32_t early_units, int32_t late_units, int32_t threads, float* early,
                float* late);

int32_t march(const Head* head, const float* origins, const float* directions, const float* depths, const float* positions,
              int64_t rays, int32_t coarse, int32_t fine, int64_t positions_stride, float stop_below, float colour_above, int32_t threads,
              float* colour, float* depth, float* opacity);
}

namespace {

const int WALK = 8;              // depths between two looks at whether a ray still sees anything
const float UNSEEN = -1e30f;     // density of depths behind all that shows
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
inline Ints& at(int32_t* values) { return *reinterpret_cast<Ints*>(values); }
inline const Ints& at(const int32_t* values) { return *reinterpret_cast<const Ints*>(values); }

inline Floats where(Ints mask, Floats a, Floats b) { return (Floats)(((Ints)a & mask) | ((Ints)b & ~mask)); }

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
    power = larger(power, all(-126.0f));
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

// 1 / (1 + exp(-x)) in place of x
template <int GROUP>
inline void sigmoid(Floats (&x)[GROUP]) {
    Floats e[GROUP];
    for (int v = 0; v < GROUP; v++) x[v] = smaller(x[v] * -LOG2_E, all(120.0f));
    power_of_2(x, e);
    for (int v = 0; v < GROUP; v++) x[v] = 1.0f / (1.0f + e[v]);
}

// Sums of the rows of a square; replaces it.
inline Floats row_sums(Floats (&rows)[LANES]) {
    for (int count = LANES / 2; count; count /= 2)
        for (int i = 0; i < count; i++)
            rows[i] = SHUFFLED(rows[2 * i], rows[2 * i + 1], EVEN) + SHUFFLED(rows[2 * i], rows[2 * i + 1], ODD);
    return rows[0];
}

// Where points lie in the table: per window and lane the first texel and the shares of its four corners, and of those one layer deeper.
struct Places {
    alignas(64) int32_t texel[3][LANES];
    alignas(64) float share[3][4][LANES];
    alignas(64) float deeper[3][4][LANES];
};

struct Rays {
    Floats origin[3], direction[3];
};

// STACKED: the head's windows are stacks.
template <bool STACKED>
inline void locate(const Head& head, const Rays& rays, Floats depth, Places& places) {
    Floats point[3];
    for (int axis = 0; axis < 3; axis++) {
        Floats along = depth * rays.direction[axis];
        ROUNDED(along);
        point[axis] = rays.origin[axis] + along;
    }
    for (int w = 0; w < head.windows; w++) {
        const Window& window = head.window[w];
        Floats x = point[window.across_axis] * window.across_scale + window.across_shift;
        Floats y = point[window.down_axis] * window.down_scale + window.down_shift;
        x = smaller(larger(x, Floats{}), all(window.across_length - 1));
        y = smaller(larger(y, Floats{}), all(window.down_length - 1));
        Floats column = smaller(__builtin_convertvector(__builtin_convertvector(x, Ints), Floats), all(window.across_length - 2));
        Floats row = smaller(__builtin_convertvector(__builtin_convertvector(y, Ints), Floats), all(window.down_length - 2));
        Floats right = x - column, below = y - row, left = 1 - right, above = 1 - below;
        Ints texel = __builtin_convertvector(row, Ints) * window.across_length + __builtin_convertvector(column, Ints) + window.start;
        at(places.texel[w]) = texel;
        at(places.share[w][0]) = left * above;
        at(places.share[w][1]) = right * above;
        at(places.share[w][2]) = left * below;
        at(places.share[w][3]) = right * below;
        if (!STACKED) continue;
        Floats z = point[window.through_axis] * window.through_scale + window.through_shift;
        z = smaller(larger(z, Floats{}), all(window.through_length - 1));
        Floats layer = smaller(__builtin_convertvector(__builtin_convertvector(z, Ints), Floats), all(window.through_length - 2));
        at(places.texel[w]) += __builtin_convertvector(layer, Ints) * (window.across_length * window.down_length);
        for (int corner = 0; corner < 4; corner++) {
            Floats& share = at(places.share[w][corner]);
            at(places.deeper[w][corner]) = share * (z - layer);
            share *= 1 - (z - layer);
        }
    }
}

// GROUP vectors of units at a time: sums of four texels per window and layer, then softplus. WINDOWS: as many as the head has, 0 if unknown.
template <int GROUP, int WINDOWS, bool STACKED>
inline __attribute__((always_inline)) void look_up(const Head& head, const float* table, int units, const Places& places, int lane,
                                                   int unit, Floats (&hidden)[GROUP]) {
    for (int v = 0; v < GROUP; v++) hidden[v] = Floats{};
    for (int w = 0; w < (WINDOWS ? WINDOWS : head.windows); w++) {
        const float* top = table + (int64_t)places.texel[w][lane] * units + unit;
        const float* bottom = top + (int64_t)head.window[w].across_length * units;
        const float a = places.share[w][0][lane], b = places.share[w][1][lane];
        const float c = places.share[w][2][lane], d = places.share[w][3][lane];
        for (int v = 0; v < GROUP; v++) {
            hidden[v] += a * at(top + v * LANES);
            hidden[v] += b * at(top + units + v * LANES);
            hidden[v] += c * at(bottom + v * LANES);
            hidden[v] += d * at(bottom + units + v * LANES);
        }
        if (!STACKED) continue;
        const int64_t layer = (int64_t)head.window[w].across_length * head.window[w].down_length * units;
        const float e = places.deeper[w][0][lane], f = places.deeper[w][1][lane];
        const float g = places.deeper[w][2][lane], h = places.deeper[w][3][lane];
        for (int v = 0; v < GROUP; v++) {
            hidden[v] += e * at(top + layer + v * LANES);
            hidden[v] += f * at(top + layer + units + v * LANES);
            hidden[v] += g * at(bottom + layer + v * LANES);
            hidden[v] += h * at(bottom + layer + units + v * LANES);
        }
    }
    softplus_2(hidden);
}

// What hidden units of SAMPLES_AT_ONCE samples add to TILE vectors of output channels.
template <int TILE>
inline __attribute__((always_inline)) void add_units(Floats (&raw)[SAMPLES_AT_ONCE][TILE], const float* weights, int varying,
                                                     const float* const* hidden, int units) {
    for (int unit = 0; unit < units; unit++, weights += varying) {
        Floats weight[TILE];
        for (int v = 0; v < TILE; v++) weight[v] = at(weights + v * LANES);
        for (int s = 0; s < SAMPLES_AT_ONCE; s++)
            for (int v = 0; v < TILE; v++) raw[s][v] += weight[v] * hidden[s][unit];
    }
}

// Colours of samples, summed with their shares, for TILE vectors of output channels at a time. Count is a multiple of SAMPLES_AT_ONCE.
template <int TILE>
void add_colours(const Head& head, const float* const* early, const float* const* late, const float* shares, int count, float* sums) {
    for (int output = 0; output < head.varying; output += TILE * LANES) {
        Floats total[TILE] = {};
        for (int first = 0; first < count; first += SAMPLES_AT_ONCE) {
            Floats raw[SAMPLES_AT_ONCE][TILE];
            for (int s = 0; s < SAMPLES_AT_ONCE; s++)
                for (int v = 0; v < TILE; v++) raw[s][v] = at(head.colour_bias + output + v * LANES);
            const float* weights = head.to_colour + output;
            add_units<TILE>(raw, weights, head.varying, early + first, head.early_units);
            add_units<TILE>(raw, weights + (int64_t)head.early_units * head.varying, head.varying, late + first, head.late_units);
            for (int s = 0; s < SAMPLES_AT_ONCE; s++) {
                sigmoid(raw[s]);
                for (int v = 0; v < TILE; v++) total[v] += shares[first + s] * (raw[s][v] * 1.002f - 0.001f);
            }
        }
        for (int v = 0; v < TILE; v++) at(sums + output + v * LANES) = total[v];
    }
}

const int SIDE = 16;  // of the squares of texels that are projected together

// A square of a window's texels, [inputs][SIDE][SIDE].
void read_square(const Sheets& sheets, const int64_t* channels, int inputs, int row, int column, float* square) {
    for (int i = 0; i < inputs * SIDE * SIDE; i += LANES) at(square + i) = Floats{};
    const int first_row = sheets.first_row + row, first_column = sheets.first_column + column;
    const int top = first_row < 0 ? -first_row : 0, left = first_column < 0 ? -first_column : 0;
    const int bottom = sheets.height - first_row < SIDE ? sheets.height - first_row : SIDE;
    const int right = sheets.width - first_column < SIDE ? sheets.width - first_column : SIDE;
    for (int s = 0; s < sheets.count; s++) {
        const Sheet& sheet = sheets.sheet[s];
        for (int i = 0; i < inputs; i++) {
            const float* from = sheet.features + channels[i] * sheet.channel + first_row * sheet.row + first_column * sheet.column;
            float* to = square + i * SIDE * SIDE;
            if (sheet.column == 1)
                for (int y = top; y < bottom; y++)
                    for (int x = left; x < right; x++) to[y * SIDE + x] += from[y * sheet.row + x];
            else
                for (int x = left; x < right; x++)
                    for (int y = top; y < bottom; y++) to[y * SIDE + x] += from[y * sheet.row + x * sheet.column];
        }
    }
}

// What `units` hidden units receive at the texels of one row of a square, for GROUP vectors of units and TEXELS texels at a time.
// weight: rows of `stride` numbers.
template <int TEXELS, int GROUP>
void project(const float* row, int inputs, const float* weight, int stride, const float* bias, int units, int texels, float* table) {
    for (int first = 0; first < texels; first += TEXELS)
        for (int unit = 0; unit < units; unit += GROUP * LANES) {
            Floats sums[TEXELS][GROUP];
            for (int t = 0; t < TEXELS; t++)
                for (int v = 0; v < GROUP; v++) sums[t][v] = bias ? at(bias + unit + v * LANES) : Floats{};
            for (int i = 0; i < inputs; i++) {
                Floats some[GROUP];
                for (int v = 0; v < GROUP; v++) some[v] = at(weight + i * stride + unit + v * LANES);
                for (int t = 0; t < TEXELS; t++)
                    for (int v = 0; v < GROUP; v++) sums[t][v] += some[v] * row[i * SIDE * SIDE + first + t];
            }
            for (int t = 0; t < TEXELS && first + t < texels; t++)
                for (int v = 0; v < GROUP; v++) at(table + (int64_t)(first + t) * units + unit + v * LANES) = sums[t][v];
        }
}

inline void project(const float* row, int inputs, const float* weight, int stride, const float* bias, int units, int texels, float* table) {
    const int sums = LANES == 16 ? 16 : 8;  // in registers
    if (units % (4 * LANES) == 0)
        project<sums / 4, 4>(row, inputs, weight, stride, bias, units, texels, table);
    else
        project<sums, 1>(row, inputs, weight, stride, bias, units, texels, table);
}

// Light along LANES rays: how much of it still passes, and what each interval takes away.
struct Light {
    Floats passing = all(1.0f);

    // WALK intervals one after the other. z, d: rows of depths and densities, of which those before the first one are its beginning; an
    // interval of no length takes nothing. weight: rows.
    void take(const float* z, const float* d, float* weight) {
        Floats density[WALK], left[WALK];
        for (int i = 0; i < WALK; i++) density[i] = ((at(d + (i - 1) * LANES) + at(d + i * LANES)) * 0.5f - 1.0f) * LOG2_E;
        softplus_2(density);
        for (int i = 0; i < WALK; i++) density[i] = density[i] * (at(z + (i - 1) * LANES) - at(z + i * LANES));
        power_of_2(density, left);  // what it lets pass: exp(-softplus * length), all in base 2
        for (int i = 0; i < WALK; i++) {
            const Floats alpha = 1.0f - left[i];
            at(weight + i * LANES) = alpha * passing;
            passing *= 1.0f - alpha + 1e-10f;
        }
    }
};

// Memory of one thread. Rows of LANES numbers have one ray per lane.
class Workspace {
  public:
    Workspace(const Head& head, int coarse, int fine) {
        const int depths = coarse + fine, shown = depths + LANES + SAMPLES_AT_ONCE;
        lay_out(head, coarse, depths, shown);
        memory = static_cast<char*>(std::malloc(used + 64));
        if (!memory) return;
        used = 64 - reinterpret_cast<uintptr_t>(memory) % 64;
        lay_out(head, coarse, depths, shown);
    }
    ~Workspace() { std::free(memory); }
    Workspace(const Workspace&) = delete;

    char* memory = nullptr;
    float *coarse_depth, *coarse_density, *cumulative, *bins;
    float *depth, *density;  // [coarse + fine] all depths ascending, and the densities that the first pass has found there
    float* weight;           // of the interval before each depth, those of the first pass, then those of the second
    int32_t* source;         // of each depth: its number among the coarse, then the fine ones
    float* hidden;           // [lane][coarse + fine][early units]
    float *late_hidden, *shown_share, *shown_depth, *sums;
    const float **early_row, **late_row;

  private:
    size_t used = 0;

    template <class Number>
    void place(Number*& rows, int64_t count) {
        rows = reinterpret_cast<Number*>(reinterpret_cast<uintptr_t>(memory) + used);
        used += (count * sizeof(Number) + 63) / 64 * 64;
    }
    void lay_out(const Head& head, int coarse, int depths, int shown) {
        // Light takes a row before the first one, and full walks.
        for (float** rows : {&coarse_depth, &coarse_density, &cumulative, &bins, &depth, &density, &weight}) {
            const int64_t count = rows == &depth || rows == &density || rows == &weight ? depths : coarse;
            place(*rows, (count + 1 + WALK) * LANES);
            *rows += LANES;
        }
        place(source, LANES * depths);
        place(hidden, (int64_t)LANES * depths * head.early_units);
        place(late_hidden, (int64_t)shown * head.late_units);
        place(shown_share, shown);
        place(shown_depth, shown);
        place(sums, head.varying);
        place(early_row, shown);
        place(late_row, shown);
    }
};

// Some of a block's lanes.
struct Chosen {
    int count = 0, lane[LANES];
    alignas(64) int32_t mask[LANES];  // -1 where chosen

    template <class Wanted>
    void choose(int lanes, Wanted wanted) {
        count = 0;
        for (int i = 0; i < LANES; i++) {
            const bool in = i < lanes && wanted(i);
            mask[i] = -in;
            lane[count] = i;
            count += in;
        }
    }
};

struct Arguments {
    Head head;
    const float *origins, *directions, *depths, *positions;
    int64_t rays, positions_stride;
    int coarse, fine;
    float stop_below, colour_above;
    float *colour, *depth, *opacity;
};

// UNITS and WINDOWS: the numbers of early units and windows where the compiler is to know them, else 0.
template <int UNITS, int WINDOWS, bool STACKED>
class Marcher : Arguments {
  public:
    explicit Marcher(const Arguments& arguments) : Arguments(arguments) {}
    void block(int64_t first, Workspace& space) const;

  private:
    int early_units() const { return UNITS ? UNITS : head.early_units; }
    float* hidden(Workspace& space, int lane, int sample) const {
        return space.hidden + ((int64_t)lane * (coarse + fine) + sample) * early_units();
    }
    Floats densities(const Rays& rays, Floats depth, const Chosen& chosen, const int32_t* samples, Workspace& space) const;
    void spread(int64_t first, int lanes, const int* known, Workspace& space) const;
    void colours(const Rays& rays, int64_t ray, int lane, int seen, Workspace& space) const;
};

// Densities that the chosen lanes have at a depth, UNSEEN in the others; samples: under which number each lane keeps its hidden units.
template <int UNITS, int WINDOWS, bool STACKED>
inline Floats Marcher<UNITS, WINDOWS, STACKED>::densities(const Rays& rays, Floats depth, const Chosen& chosen, const int32_t* samples,
                                                 Workspace& space) const {
    const int group = UNITS % (4 * LANES) == 0 && UNITS ? 4 : 1;
    Places places;
    locate<STACKED>(head, rays, depth, places);
    Floats rows[LANES] = {};
    for (int i = 0; i < chosen.count; i++) {
        const int lane = chosen.lane[i];
        float* kept = hidden(space, lane, samples[lane]);
        Floats total = {};
        for (int unit = 0; unit < early_units(); unit += group * LANES) {
            Floats some[group];
            look_up<group, WINDOWS, STACKED>(head, head.early, early_units(), places, lane, unit, some);
            for (int v = 0; v < group; v++) {
                at(kept + unit + v * LANES) = some[v];
                total += some[v] * at(head.to_density + unit + v * LANES);
            }
        }
        rows[lane] = total;
    }
    const Floats found = row_sums(rows) + head.density_bias;
    return where(at(chosen.mask), found, all(UNSEEN));
}

// Rows of nothing before and after depths and their densities.
inline void pad(float* z, float* d, int count) {
    at(z - LANES) = at(z);
    at(d - LANES) = Floats{};
    for (int i = count; i < count + WALK; i++) {
        at(z + i * LANES) = at(z + (count - 1) * LANES);
        at(d + i * LANES) = Floats{};
    }
}

template <int UNITS, int WINDOWS, bool STACKED>
void Marcher<UNITS, WINDOWS, STACKED>::block(int64_t first, Workspace& space) const {
    const int lanes = rays - first < LANES ? rays - first : LANES;
    Rays block;
    for (int lane = 0; lane < LANES; lane++) {
        const int64_t ray = first + (lane < lanes ? lane : lanes - 1);
        for (int axis = 0; axis < 3; axis++) {
            block.origin[axis][lane] = origins[3 * ray + axis];
            block.direction[axis][lane] = directions[3 * ray + axis];
        }
        for (int i = 0; i < coarse; i++) space.coarse_depth[i * LANES + lane] = depths[ray * coarse + i];
    }

    // First pass. known: how many coarse densities of each ray have been worked out.
    Light light;
    int known[LANES] = {};
    Chosen alive;
    alive.choose(lanes, [](int) { return true; });
    float *z = space.coarse_depth, *d = space.coarse_density;
    pad(z, d, coarse);
    for (int start = 0; start < coarse; start += WALK) {
        const int stop = start + WALK < coarse ? start + WALK : coarse;
        if (!alive.count) {
            for (int i = start; i < stop; i++) at(space.weight + i * LANES) = Floats{};
            continue;
        }
        for (int i = start; i < stop; i++) {
            alignas(64) int32_t samples[LANES];
            at(samples) = Ints{} + i;
            at(d + i * LANES) = densities(block, at(z + i * LANES), alive, samples, space);
        }
        for (int k = 0; k < alive.count; k++) known[alive.lane[k]] = stop;
        light.take(z + start * LANES, d + start * LANES, space.weight + start * LANES);
        alive.choose(lanes, [&](int lane) { return alive.mask[lane] && light.passing[lane] >= stop_below; });
    }

    spread(first, lanes, known, space);

    // Second pass.
    const int count = coarse + fine;
    light = Light();
    Floats total = {}, distance = {};
    Chosen fresh;
    alive.choose(lanes, [](int) { return true; });
    z = space.depth;
    d = space.density;
    pad(z, d, count);
    int seen = 0;
    for (; seen < count && alive.count; seen += WALK) {
        const int stop = seen + WALK < count ? seen + WALK : count;
        for (int k = seen; k < stop; k++) {
            const int32_t* source = space.source + k * LANES;
            fresh.choose(lanes, [&](int lane) { return alive.mask[lane] && source[lane] >= known[lane]; });
            Floats& here = at(d + k * LANES);
            here = where(at(alive.mask), here, all(UNSEEN));
            if (fresh.count) here = larger(here, densities(block, at(z + k * LANES), fresh, source, space));
        }
        float* weight = space.weight + seen * LANES;
        light.take(z + seen * LANES, d + seen * LANES, weight);
        for (int k = 0; k < WALK; k++) {
            total += at(weight + k * LANES);
            distance += at(weight + k * LANES) * ((at(z + (seen + k - 1) * LANES) + at(z + (seen + k) * LANES)) * 0.5f);
        }
        alive.choose(lanes, [&](int lane) { return alive.mask[lane] && light.passing[lane] >= stop_below; });
    }
    if (seen > count) seen = count;
    at(space.weight + seen * LANES) = Floats{};

    distance /= total;
    for (int lane = 0; lane < lanes; lane++) {
        opacity[first + lane] = total[lane];
        depth[first + lane] = distance[lane];
        float* pixel = colour + (first + lane) * head.channels;
        for (int channel = 0; channel < head.channels; channel++) pixel[channel] = total[lane] * head.constant[channel];
        colours(block, first + lane, lane, seen, space);
    }
}

// Fine depths, where the first pass found weight (spec 03 section 8), merged with the coarse ones.
template <int UNITS, int WINDOWS, bool STACKED>
void Marcher<UNITS, WINDOWS, STACKED>::spread(int64_t first, int lanes, const int* known, Workspace& space) const {
    const int last = coarse - 3;  // number of the last bin in use
    auto row = [](float* rows, int i) -> Floats& { return at(rows + i * LANES); };
    float *weight = space.weight, *cumulative = space.cumulative, *bins = space.bins, *z = space.coarse_depth;
    if (fine) {
        Floats total = {};
        for (int j = 0; j < last; j++) {
            // share of coarse interval j + 1, whose weight is in row j + 2: mean of two maxima of neighbours
            Floats lower = larger(row(weight, j + 1), row(weight, j + 2)), upper = larger(row(weight, j + 2), row(weight, j + 3));
            row(cumulative, j + 1) = (lower + upper) * 0.5f + 0.01f + 1e-5f;
            total += row(cumulative, j + 1);
        }
        row(cumulative, 0) = Floats{};
        for (int j = 1; j <= last; j++) row(cumulative, j) = row(cumulative, j - 1) + row(cumulative, j) / total;
        for (int j = 0; j <= last; j++) row(bins, j) = (row(z, j) + row(z, j + 1)) * 0.5f;
    }
    for (int k = 0; k < coarse + fine; k++) at(space.source + k * LANES) = Ints{} - 1;
    for (int k = 0; k < fine; k++) {
        alignas(64) float u[LANES];
        alignas(64) int32_t right[LANES];  // how many cumulative shares do not pass u
        for (int lane = 0; lane < LANES; lane++) u[lane] = positions[(first + (lane < lanes ? lane : 0)) * positions_stride + k];
        at(right) = Ints{};
        for (int j = 0; j <= last; j++) at(right) -= row(cumulative, j) <= at(u);
        // cumulative shares, bins and coarse depth around it; bin lo reaches from before coarse depth lo + 1 to beyond it
        alignas(64) float start[LANES], end[LANES], nearer[LANES], farther[LANES], between[LANES];
        alignas(64) int32_t place[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            const int lo = right[lane] > 0 ? right[lane] - 1 : 0, hi = right[lane] < last ? right[lane] : last;
            start[lane] = cumulative[lo * LANES + lane];
            end[lane] = cumulative[hi * LANES + lane];
            nearer[lane] = bins[lo * LANES + lane];
            farther[lane] = bins[hi * LANES + lane];
            between[lane] = z[(lo + 1) * LANES + lane];
            place[lane] = k + lo + 1;
        }
        Floats width = at(end) - at(start);
        width = width < 1e-5f ? all(1.0f) : width;
        const Floats found = at(nearer) + (at(u) - at(start)) / width * (at(farther) - at(nearer));
        at(farther) = smaller(found, at(farther));
        at(place) -= at(between) <= at(farther);
        for (int lane = 0; lane < LANES; lane++) {
            space.depth[place[lane] * LANES + lane] = farther[lane];
            space.source[place[lane] * LANES + lane] = coarse + k;
        }
    }
    int next[LANES] = {};
    for (int k = 0; k < coarse + fine; k++)
        for (int lane = 0; lane < LANES; lane++) {
            const int here = k * LANES + lane, i = next[lane], source = space.source[here];
            const bool is_fine = source >= 0;
            space.depth[here] = is_fine ? space.depth[here] : z[i * LANES + lane];
            space.density[here] = is_fine || i >= known[lane] ? UNSEEN : space.coarse_density[i * LANES + lane];
            space.source[here] = is_fine ? source : i;
            next[lane] = i + !is_fine;
        }
}

// Colours of one ray's samples that show.
template <int UNITS, int WINDOWS, bool STACKED>
void Marcher<UNITS, WINDOWS, STACKED>::colours(const Rays& block, int64_t ray, int lane, int seen, Workspace& space) const {
    int shown = 0;
    for (int k = 0; k < seen; k++) {
        const float share = (space.weight[k * LANES + lane] + space.weight[(k + 1) * LANES + lane]) * 0.5f;
        if (!(share > colour_above)) continue;
        space.shown_share[shown] = share;
        space.shown_depth[shown] = space.depth[k * LANES + lane];
        space.early_row[shown] = hidden(space, lane, space.source[k * LANES + lane]);
        space.late_row[shown] = space.late_hidden + (int64_t)shown * head.late_units;
        shown++;
    }
    if (!shown) return;
    for (; shown % SAMPLES_AT_ONCE; shown++) {
        space.shown_share[shown] = 0;
        space.shown_depth[shown] = space.shown_depth[shown - 1];
        space.early_row[shown] = space.early_row[shown - 1];
        space.late_row[shown] = space.late_row[shown - 1];
    }
    if (head.late_units) {
        Rays same;
        for (int axis = 0; axis < 3; axis++) {
            same.origin[axis] = all(block.origin[axis][lane]);
            same.direction[axis] = all(block.direction[axis][lane]);
        }
        Places places;
        for (int start = 0; start < shown; start += LANES) {
            locate<STACKED>(head, same, at(space.shown_depth + start), places);
            for (int i = start; i < shown && i < start + LANES; i++)
                for (int unit = 0; unit < head.late_units; unit += LANES) {
                    Floats some[1];
                    look_up<1, WINDOWS, STACKED>(head, head.late, head.late_units, places, i - start, unit, some);
                    at(space.late_hidden + (int64_t)i * head.late_units + unit) = some[0];
                }
        }
    }
    if (head.varying % (2 * LANES) == 0)
        add_colours<2>(head, space.early_row, space.late_row, space.shown_share, shown, space.sums);
    else
        add_colours<1>(head, space.early_row, space.late_row, space.shown_share, shown, space.sums);
    for (int i = 0; i < head.written; i++) colour[ray * head.channels + head.outputs[i]] = space.sums[i];
}

template <int UNITS, int WINDOWS, bool STACKED>
int32_t march_all(const Arguments& arguments, int32_t threads) {
    const Marcher<UNITS, WINDOWS, STACKED> marcher(arguments);
    int32_t failed = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) reduction(| : failed)
#endif
    {
        Workspace space(arguments.head, arguments.coarse, arguments.fine);
        failed |= !space.memory;
#ifdef _OPENMP
#pragma omp for schedule(dynamic)
#endif
        for (int64_t first = 0; first < arguments.rays; first += LANES)
            if (space.memory) marcher.block(first, space);
    }
    return failed;
}

}  // namespace

// Fills the table of a head: what its hidden units receive at every texel of its windows.
//   channels [inputs]: those of the planes that are heard. weight [inputs, early_units + late_units], bias [early_units + late_units].
//   early [texels, early_units], late [texels, late_units]: the results. The bias is in every texel of the first `biased` windows.
//   A stack is given as one window for each of its layers.
// Returns 0, or 1 for want of memory.
int32_t prepare(const Window* windows, const Sheets* sheets, int32_t count, int32_t biased, const int64_t* channels, int32_t inputs,
                const float* weight, const float* bias, int32_t early_units, int32_t late_units, int32_t threads, float* early,
                float* late) {
    const int units = early_units + late_units;
    int32_t failed = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) reduction(| : failed)
#endif
    {
        char* memory = static_cast<char*>(std::malloc(inputs * SIDE * SIDE * sizeof(float) + 64));
        float* square = reinterpret_cast<float*>(memory + 64 - reinterpret_cast<uintptr_t>(memory) % 64);
        failed |= !memory;
        for (int w = 0; w < count; w++) {
            const Window& window = windows[w];
#ifdef _OPENMP
#pragma omp for schedule(dynamic) nowait
#endif
            for (int row = 0; row < window.down_length; row += SIDE)
                for (int column = 0; memory && column < window.across_length; column += SIDE) {
                    read_square(sheets[w], channels, inputs, row, column, square);
                    const int texels = window.across_length - column < SIDE ? window.across_length - column : SIDE;
                    for (int y = 0; y < SIDE && row + y < window.down_length; y++) {
                        const float* texel = square + y * SIDE;
                        const int64_t place = window.start + (int64_t)(row + y) * window.across_length + column;
                        project(texel, inputs, weight, units, w >= biased ? nullptr : bias, early_units, texels, early + place * early_units);
                        project(texel, inputs, weight + early_units, units, w >= biased ? nullptr : bias + early_units, late_units, texels,
                                late + place * late_units);
                    }
                }
        }
        std::free(memory);
    }
    return failed;
}

// Marches rays; arguments and results are those of real3d_core.render.ray_marching.march_rays. positions_stride is 0 where all rays share
// their positions, else their number. A ray is followed until less than stop_below of its light passes; samples add their colour if
// their share exceeds colour_above (0 and -1: everything is worked out). Returns 0, or 1 for want of memory.
int32_t march(const Head* head, const float* origins, const float* directions, const float* depths, const float* positions,
              int64_t rays, int32_t coarse, int32_t fine, int64_t positions_stride, float stop_below, float colour_above, int32_t threads,
              float* colour, float* depth, float* opacity) {
    const Arguments arguments{*head,  origins, directions, depths,     positions,    rays,   positions_stride,
                              coarse, fine,    stop_below, colour_above, colour, depth,  opacity};
    if (head->window[0].through_length) {
        if (head->windows == 2 && head->early_units == 64) return march_all<64, 2, true>(arguments, threads);  // trained trigrids
        return march_all<0, 0, true>(arguments, threads);
    }
    if (head->windows == 2 && head->early_units == 64) return march_all<64, 2, false>(arguments, threads);  // trained planes
    if (head->windows == 2 && head->early_units == 16) return march_all<16, 2, false>(arguments, threads);  // those of the built-in avatar
    return march_all<0, 0, false>(arguments, threads);
}
