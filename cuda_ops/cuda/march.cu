// Ray marching through a table of projected planes on NVIDIA GPUs (spec 07 sections 2 and 4.1). No includes: NVRTC has no headers.
//
// One warp marches one ray, up to WARPS rays a block. Units (hidden units, colours) are spread over the 32 lanes; what is done once per depth
// has one depth per lane, 32 at a time. Whoever compiles this defines EARLY and LATE (hidden units, multiples of 32), VARYING
// (colours that vary, a multiple of 32), STACKED and the rest that cuda_ops/cuda/launch.py says.
//
// Hidden units are in base 2: log2(1 + 2^x), their weights scaled to match (PackedDecoder).
//
// Every exchange of shared memory between lanes is preceded by __syncwarp. cuda_ops/cpu/polynomials.py puts LOG2_1P_SERIES in front of this text.

#define EVERY 0xffffffffu
#define LOG2_E 1.44269504f
#define UNSEEN -1e30f       // density of depths behind all that shows
#define UNITS (EARLY + LATE)

// A rectangle of texels: a point p lies at texel p[axis] * scale + shift of a side, counted from its first one. In a trigrid (STACKED is 1)
// it is a stack of through_length such rectangles.
struct Window {
    int across_axis, across_length, down_axis, down_length, start;
    float across_scale, across_shift, down_scale, down_shift;
    int through_axis, through_length;
    float through_scale, through_shift;
};

// The same fields as in cpu/head.h.
struct Head {
    const float *early, *late, *to_density, *to_colour, *colour_bias, *constant;
    const int* outputs;
    float density_bias;
    int early_units, late_units, varying, written, channels, windows;
    Window window[3];
};

static_assert(sizeof(Window) == WINDOW_BYTES && sizeof(Head) == HEAD_BYTES, "fused_marching.py has other fields");

struct Ray {
    float origin[3], direction[3];
};

// Where one sample lies in the table: per window the first texel and how far the sample is beyond it.
struct Place {
    int texel[3];
    float right[3], below[3];
#if STACKED
    float behind[3];
#endif
};

// log2(1 + 2^x)
__device__ inline float softplus_2(float x) {
    const float e = exp2f(-fabsf(x));
    return fmaxf(x, 0.0f) + e * LOG2_1P_SERIES(e);
}

__device__ inline float warp_sum(float value) {
    for (int step = 16; step; step /= 2) value += __shfl_xor_sync(EVERY, value, step);
    return value;
}

__device__ inline Place locate(const Head& head, const Ray& ray, float depth) {
    float point[3];
    for (int axis = 0; axis < 3; axis++) point[axis] = __fadd_rn(ray.origin[axis], __fmul_rn(depth, ray.direction[axis]));
    Place place;
    #pragma unroll
    for (int w = 0; w < 3; w++) {
        place.texel[w] = 0;
        place.right[w] = place.below[w] = 0.0f;
#if STACKED
        place.behind[w] = 0.0f;
#endif
        if (w >= head.windows) continue;
        const Window& window = head.window[w];
        const float across = window.across_axis == 0 ? point[0] : window.across_axis == 1 ? point[1] : point[2];
        const float down = window.down_axis == 0 ? point[0] : window.down_axis == 1 ? point[1] : point[2];
        const float x = fminf(fmaxf(across * window.across_scale + window.across_shift, 0.0f), window.across_length - 1.0f);
        const float y = fminf(fmaxf(down * window.down_scale + window.down_shift, 0.0f), window.down_length - 1.0f);
        const float column = fminf(floorf(x), window.across_length - 2.0f), row = fminf(floorf(y), window.down_length - 2.0f);
        place.right[w] = x - column;
        place.below[w] = y - row;
        place.texel[w] = window.start + (int)row * window.across_length + (int)column;
#if STACKED
        const float through = window.through_axis == 0 ? point[0] : window.through_axis == 1 ? point[1] : point[2];
        const float z = fminf(fmaxf(through * window.through_scale + window.through_shift, 0.0f), window.through_length - 1.0f);
        const float layer = fminf(floorf(z), window.through_length - 2.0f);
        place.behind[w] = z - layer;
        place.texel[w] += (int)layer * (window.across_length * window.down_length);
#endif
    }
    return place;
}

// The place that another lane has worked out.
__device__ inline Place place_of(const Head& head, const Place& own, int lane) {
    Place place;
    #pragma unroll
    for (int w = 0; w < 3; w++) {
        if (w >= head.windows) continue;
        place.texel[w] = __shfl_sync(EVERY, own.texel[w], lane);
        place.right[w] = __shfl_sync(EVERY, own.right[w], lane);
        place.below[w] = __shfl_sync(EVERY, own.below[w], lane);
#if STACKED
        place.behind[w] = __shfl_sync(EVERY, own.behind[w], lane);
#endif
    }
    return place;
}

// This lane's units (lane, lane + 32, ...) at a place.
template <int COUNT>
__device__ inline void look_up(const Head& head, const float* table, const Place& place, int lane, float* hidden) {
    #pragma unroll
    for (int v = 0; v < COUNT / 32; v++) hidden[v] = 0.0f;
    #pragma unroll
    for (int w = 0; w < 3; w++) {
        if (w >= head.windows) continue;
        const float* top = table + (long long)place.texel[w] * COUNT + lane;
        const float* bottom = top + (long long)head.window[w].across_length * COUNT;
        const float right = place.right[w], below = place.below[w], left = 1.0f - right, above = 1.0f - below;
#if STACKED
        const long long deeper = (long long)head.window[w].across_length * head.window[w].down_length * COUNT;
        const float behind = place.behind[w], before = 1.0f - behind;
        #pragma unroll
        for (int v = 0; v < COUNT / 32; v++) {
            const float* here = top + 32 * v;
            const float* under = bottom + 32 * v;
            hidden[v] += before * (left * above * here[0] + right * above * here[COUNT] + left * below * under[0] +
                                   right * below * under[COUNT]) +
                         behind * (left * above * here[deeper] + right * above * here[deeper + COUNT] + left * below * under[deeper] +
                                   right * below * under[deeper + COUNT]);
        }
#else
        #pragma unroll
        for (int v = 0; v < COUNT / 32; v++)
            hidden[v] += left * above * top[32 * v] + right * above * top[COUNT + 32 * v] + left * below * bottom[32 * v] +
                         right * below * bottom[COUNT + 32 * v];
#endif
    }
    #pragma unroll
    for (int v = 0; v < COUNT / 32; v++) hidden[v] = softplus_2(hidden[v]);
}

// Densities of up to 32 samples, one per lane; `wanted` says which are asked for.
__device__ inline float densities(const Head& head, const Ray& ray, float depth, bool wanted, int lane, const float* to_density) {
    const Place own = locate(head, ray, depth);
    float result = UNSEEN;
    for (int sample = 0; sample < 32; sample++) {
        if (!__shfl_sync(EVERY, (int)wanted, sample)) continue;
        float hidden[EARLY / 32];
        look_up<EARLY>(head, head.early, place_of(head, own, sample), lane, hidden);
        float product = 0.0f;
        #pragma unroll
        for (int v = 0; v < EARLY / 32; v++) product += hidden[v] * to_density[v];
        product = warp_sum(product);
        if (lane == sample) result = product + head.density_bias;
    }
    return result;
}

// Weights of 32 intervals, one per lane, of which the last one is `passing` of the light's way in; updates passing.
__device__ inline float weights(float alpha, int lane, float& passing) {
    float left = 1.0f - alpha + 1e-10f;
    for (int step = 1; step < 32; step *= 2) {
        const float other = __shfl_up_sync(EVERY, left, step);
        if (lane >= step) left *= other;
    }
    const float before = __shfl_up_sync(EVERY, left, 1);
    const float weight = alpha * passing * (lane ? before : 1.0f);
    passing *= __shfl_sync(EVERY, left, 31);
    return weight;
}

__device__ inline float opaqueness(float nearer, float farther, float density_nearer, float density_farther) {
    const float density = softplus_2(((density_nearer + density_farther) * 0.5f - 1.0f) * LOG2_E);
    return 1.0f - exp2f(density * (nearer - farther));
}

// Arguments and results are those of real3d_core.render.ray_marching.march_rays; positions_stride is 0 where all rays share their
// positions. stop_below and colour_above: see fused_marching.py. Launch: at most 32 x WARPS threads a block, one warp a ray, and for each
// warp room_per_ray floats of shared memory: AT_ONCE x UNITS + ROWS_OF_ALL (coarse + fine) + ROWS_OF_COARSE coarse, rounded up to a
// multiple of 4.
extern "C" __global__ void __launch_bounds__(32 * WARPS, 4)
march(Head head, const float* origins, const float* directions, const float* depths, const float* positions, long long rays, int coarse,
      int fine, int room_per_ray, long long positions_stride, float stop_below, float colour_above, float* colour, float* depth, float* opacity) {
    extern __shared__ float4 shared[];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, count = coarse + fine;
    const long long number = (long long)blockIdx.x * (blockDim.x / 32) + warp;
    if (number >= rays) return;  // a warp as a whole

    static_assert(ROWS_OF_ALL == 5 && ROWS_OF_COARSE == 2, "these are the rows");
    float* active = (float*)shared + warp * room_per_ray;  // [AT_ONCE][UNITS] hidden units of samples that show
    float* z = active + AT_ONCE * UNITS;                   // [count] coarse, then fine depths
    float* density = z + count;                            // [count] theirs
    float* merged = density + count;                       // [count] all depths ascending; before that, the bins
    float* share = merged + count;                         // [count] of the pixel
    int* source = (int*)(share + count);                   // [count] of each merged depth, its number among coarse and fine
    float* weight = (float*)(source + count);              // [coarse]
    float* cumulative = weight + coarse;                   // [coarse]

    Ray ray;
    for (int axis = 0; axis < 3; axis++) {
        ray.origin[axis] = origins[3 * number + axis];
        ray.direction[axis] = directions[3 * number + axis];
    }
    float to_density[EARLY / 32];
    for (int v = 0; v < EARLY / 32; v++) to_density[v] = head.to_density[lane + 32 * v];

    // First pass. known: how many coarse densities have been worked out.
    for (int i = lane; i < coarse; i += 32) {
        z[i] = depths[number * coarse + i];
        weight[i] = 0.0f;
    }
    __syncwarp();
    float passing = 1.0f;
    int known = 0;
    for (int start = 0; start < coarse && passing >= stop_below; start += 32) {
        const int i = start + lane;
        const float here = densities(head, ray, i < coarse ? z[i] : 0.0f, i < coarse, lane, to_density);
        if (i < coarse) density[i] = here;
        __syncwarp();
        const bool interval = i >= 1 && i < coarse;  // from the depth before this one
        const float alpha = interval ? opaqueness(z[i - 1], z[i], density[i - 1], here) : 0.0f;
        const float found = weights(alpha, lane, passing);
        if (interval) weight[i - 1] = found;
        known = start + 32 < coarse ? start + 32 : coarse;
    }
    __syncwarp();

    // Fine depths: where the first pass found weight (spec 03 section 8).
    if (fine) {
        const int last = coarse - 3;  // number of the last bin in use
        float* bins = merged;
        float total = 0.0f;
        for (int start = 0; start < last; start += 32) {
            const int j = start + lane;
            const float part =
                j < last ? (fmaxf(weight[j], weight[j + 1]) + fmaxf(weight[j + 1], weight[j + 2])) * 0.5f + 0.01f + 1e-5f : 0.0f;
            if (j < last) cumulative[j + 1] = part;
            total += warp_sum(part);
        }
        for (int j = lane; j <= last; j += 32) bins[j] = (z[j] + z[j + 1]) * 0.5f;
        __syncwarp();
        float before = 0.0f;
        for (int start = 0; start < last; start += 32) {
            const int j = start + lane;
            float upto = j < last ? cumulative[j + 1] / total : 0.0f;
            for (int step = 1; step < 32; step *= 2) {
                const float other = __shfl_up_sync(EVERY, upto, step);
                if (lane >= step) upto += other;
            }
            if (j < last) cumulative[j + 1] = before + upto;
            before += __shfl_sync(EVERY, upto, 31);
        }
        if (!lane) cumulative[0] = 0.0f;
        __syncwarp();
        for (int k = lane; k < fine; k += 32) {
            const float u = positions[number * positions_stride + k];
            int right = 0, beyond = last + 1;  // the first of 0 .. last + 1 whose cumulative share passes u
            while (right < beyond) {
                const int middle = (right + beyond) / 2;
                if (cumulative[middle] <= u)
                    right = middle + 1;
                else
                    beyond = middle;
            }
            const int lo = right ? right - 1 : 0, hi = right < last ? right : last;
            const float width = cumulative[hi] - cumulative[lo];
            const float found = bins[lo] + (u - cumulative[lo]) / (width < 1e-5f ? 1.0f : width) * (bins[hi] - bins[lo]);
            z[coarse + k] = fminf(found, bins[hi]);
        }
        __syncwarp();
    }

    // Both lists merged: a depth's place is its own number plus how many of the other list come before it.
    for (int i = lane; i < count; i += 32) {
        const bool first = i < coarse;
        const float* other = first ? z + coarse : z;
        int low = 0, high = first ? fine : coarse;
        while (low < high) {
            const int middle = (low + high) / 2;
            if (other[middle] < z[i] || (!first && other[middle] == z[i]))
                low = middle + 1;
            else
                high = middle;
        }
        const int place = (first ? i : i - coarse) + low;
        source[place] = i;
        if (i >= known) density[i] = UNSEEN;
    }
    __syncwarp();
    for (int k = lane; k < count; k += 32) merged[k] = z[source[k]];
    __syncwarp();

    // Second pass. A sample's share of the pixel is the mean of the intervals before and after it.
    passing = 1.0f;
    float total = 0.0f, distance = 0.0f, last_density = UNSEEN, last_weight = 0.0f;
    int seen = 0;
    for (int start = 0; start < count && passing >= stop_below; start += 32) {
        const int k = start + lane, sample = k < count ? source[k] : 0;
        const bool fresh = k < count && sample >= known;
        const float worked_out = densities(head, ray, k < count ? merged[k] : 0.0f, fresh, lane, to_density);
        const float here = fresh ? worked_out : k < count ? density[sample] : UNSEEN;
        float previous = __shfl_up_sync(EVERY, here, 1);
        if (!lane) previous = last_density;
        last_density = __shfl_sync(EVERY, here, 31);
        const bool interval = k >= 1 && k < count;
        const float found = weights(interval ? opaqueness(merged[k - 1], merged[k], previous, here) : 0.0f, lane, passing);
        total += found;
        if (interval) distance += found * ((merged[k - 1] + merged[k]) * 0.5f);
        float before = __shfl_up_sync(EVERY, found, 1);
        if (!lane) before = last_weight;
        last_weight = __shfl_sync(EVERY, found, 31);
        if (k >= 1 && k <= count) share[k - 1] = (before + found) * 0.5f;
        seen = start + 32 < count ? start + 32 : count;
    }
    if (!lane && seen % 32 == 0) share[seen - 1] = last_weight * 0.5f;
    __syncwarp();
    total = warp_sum(total);
    distance = warp_sum(distance);

    // Colours of the samples that show, AT_ONCE at a time: first their hidden units, spread over the lanes, then the outputs.
    float sums[VARYING / 32];
    #pragma unroll
    for (int v = 0; v < VARYING / 32; v++) sums[v] = 0.0f;
    for (int start = 0; start < seen; start += 32) {
        const int k = start + lane;
        const float own_share = k < seen ? share[k] : -2.0f;
        const Place own = locate(head, ray, k < seen ? merged[k] : 0.0f);
        unsigned shown = __ballot_sync(EVERY, own_share > colour_above);
        while (shown) {
            float shares[AT_ONCE];
            #pragma unroll
            for (int s = 0; s < AT_ONCE; s++) {
                const int sample = shown ? __ffs(shown) - 1 : 0;
                shares[s] = __shfl_sync(EVERY, own_share, sample);
                if (!shown) shares[s] = 0.0f;
                const Place place = place_of(head, own, sample);
                float hidden[EARLY / 32];
                look_up<EARLY>(head, head.early, place, lane, hidden);
                #pragma unroll
                for (int v = 0; v < EARLY / 32; v++) active[s * UNITS + lane + 32 * v] = hidden[v];
#if LATE
                float late[LATE / 32];
                look_up<LATE>(head, head.late, place, lane, late);
                #pragma unroll
                for (int v = 0; v < LATE / 32; v++) active[s * UNITS + EARLY + lane + 32 * v] = late[v];
#endif
                shown &= shown - 1;
            }
            __syncwarp();
            #pragma unroll
            for (int v = 0; v < VARYING / 32; v++) {
                const float* output = head.to_colour + lane + 32 * v;
                float raw[AT_ONCE];
                #pragma unroll
                for (int s = 0; s < AT_ONCE; s++) raw[s] = head.colour_bias[lane + 32 * v];
                #pragma unroll 2
                for (int unit = 0; unit < UNITS; unit += 4) {
                    const float a = output[unit * VARYING], b = output[(unit + 1) * VARYING];
                    const float c = output[(unit + 2) * VARYING], d = output[(unit + 3) * VARYING];
                    #pragma unroll
                    for (int s = 0; s < AT_ONCE; s++) {
                        const float4 four = *(const float4*)(active + s * UNITS + unit);
                        raw[s] += four.x * a + four.y * b + four.z * c + four.w * d;
                    }
                }
                #pragma unroll
                for (int s = 0; s < AT_ONCE; s++) sums[v] += shares[s] * (1.002f / (1.0f + expf(-raw[s])) - 0.001f);
            }
            __syncwarp();
        }
    }

    float* pixel = colour + number * head.channels;
    for (int channel = lane; channel < head.channels; channel += 32) pixel[channel] = total * head.constant[channel];
    __syncwarp();
    #pragma unroll
    for (int v = 0; v < VARYING / 32; v++)
        if (lane + 32 * v < head.written) pixel[head.outputs[lane + 32 * v]] = sums[v];
    if (!lane) {
        opacity[number] = total;
        depth[number] = distance / total;
    }
}
