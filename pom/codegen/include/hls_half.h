// half for simulation with g++, where the vendor's hls_half.h is not at hand.
//
// Values are IEEE binary16. Every operation computes in float and rounds once: float has more than
// twice the bits of half, so the result of + - * / is the correctly rounded one.
#ifndef POM_SIMULATION_HLS_HALF_H
#define POM_SIMULATION_HLS_HALF_H
#ifdef __SYNTHESIS__
#error "this hls_half.h is for simulation only: synthesis uses the vendor's"
#endif

class half {
public:
    half() : value_() {}
    template <class T> half(T value) : value_(static_cast<_Float16>(value)) {}

    operator float() const { return static_cast<float>(value_); }

    half operator-() const {
        half result;
        result.value_ = -value_;
        return result;
    }
    half &operator+=(half other) { return *this = *this + other; }
    half &operator-=(half other) { return *this = *this - other; }
    half &operator*=(half other) { return *this = *this * other; }
    half &operator/=(half other) { return *this = *this / other; }

    friend half operator+(half a, half b) { return half(float(a) + float(b)); }
    friend half operator-(half a, half b) { return half(float(a) - float(b)); }
    friend half operator*(half a, half b) { return half(float(a) * float(b)); }
    friend half operator/(half a, half b) { return half(float(a) / float(b)); }
    friend bool operator<(half a, half b) { return float(a) < float(b); }
    friend bool operator<=(half a, half b) { return float(a) <= float(b); }
    friend bool operator>(half a, half b) { return float(a) > float(b); }
    friend bool operator>=(half a, half b) { return float(a) >= float(b); }
    friend bool operator==(half a, half b) { return float(a) == float(b); }
    friend bool operator!=(half a, half b) { return float(a) != float(b); }

private:
    _Float16 value_;
};

#endif
