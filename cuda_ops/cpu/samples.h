// Samples of rays: their texels in the table, their hidden units, and what these add to the colours.

namespace {

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

}  // namespace
