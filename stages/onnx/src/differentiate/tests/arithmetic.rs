use super::{Graph, check};
use crate::differentiate::attribute::{float, int, ints};

#[test]
fn two_values_with_broadcasting() {
    for operator in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum"] {
        // Against constants of several shapes, on either side; shifted away from zero for the division.
        for dims in [&[][..], &[3], &[2, 1, 1], &[1, 2, 2, 3], &[1, 1, 1, 3]] {
            let graph = || Graph::new([2, 2, 3]).random("c", dims).floats("four", &[], &[4.0]).node("Add", "c four", "d", &[]);
            check(&format!("{operator} images {dims:?}"), &graph().node(operator, "images d", "y", &[]).model("y", 12));
            let lifted = graph().node("Add", "images four", "x", &[]).node(operator, "d x", "y", &[]);
            check(&format!("{operator} {dims:?} images"), &lifted.model("y", 12));
        }
    }
}

/// Both factors come from the images, one of them is spread over the other.
#[test]
fn values_that_both_depend_on_the_images() {
    for operator in ["Add", "Sub", "Mul", "Div", "Max", "Min"] {
        let graph = Graph::new([2, 2, 3]).floats("three", &[], &[3.0]).node("GlobalAveragePool", "images", "mean", &[]);
        let graph = graph.node("Add", "mean three", "above", &[]);
        check(operator, &graph.clone().node(operator, "images above", "y", &[]).model("y", 12));
        check(operator, &graph.node(operator, "above images", "y", &[]).model("y", 12));
    }
}

#[test]
fn one_value_in_several_places() {
    check("square", &Graph::new([2, 2, 3]).node("Mul", "images images", "y", &[]).model("y", 12));
    let graph =
        Graph::new([2, 2, 3]).node("Relu", "images", "a", &[]).node("Tanh", "images", "b", &[]).node("Sum", "a b images a", "y", &[]);
    check("sum", &graph.model("y", 12));
}

#[test]
fn powers() {
    let graph =
        |exponent: &[f64]| Graph::new([2, 2, 3]).floats("p", &[], exponent).floats("two", &[], &[2.0]).node("Add", "images two", "x", &[]);
    check("cube", &graph(&[3.0]).node("Pow", "x p", "y", &[]).model("y", 12));
    check("root", &graph(&[0.5]).node("Pow", "x p", "y", &[]).model("y", 12));
    check("exponential", &graph(&[1.7]).node("Pow", "p x", "y", &[]).model("y", 12));
    let whole = Graph::new([2, 2, 3]).ints("p", &[2]).node("Pow", "images p", "y", &[]);
    check("square", &whole.model("y", 12));
}

#[test]
fn choices() {
    let graph = || Graph::new([2, 2, 3]).random("c", &[2, 2, 3]).floats("zero", &[], &[0.1]).node("Greater", "images zero", "above", &[]);
    check("Where", &graph().node("Exp", "images", "x", &[]).node("Where", "above x c", "y", &[]).model("y", 12));
    check("Where", &graph().node("Exp", "images", "x", &[]).node("Where", "above images x", "y", &[]).model("y", 12));
    check("Where", &graph().node("Exp", "images", "x", &[]).node("Where", "above zero x", "y", &[]).model("y", 12));
}

#[test]
fn matrix_products() {
    let rows = || Graph::new([2, 2, 3]).ints("rows", &[-1, 12]).node("Reshape", "images rows", "x", &[]);
    for (turn_a, turn_b) in [(0, 0), (0, 1)] {
        let dims: [i64; 2] = if turn_b == 1 { [5, 12] } else { [12, 5] };
        let attributes = [float("alpha", 0.7), float("beta", 1.3), int("transA", turn_a), int("transB", turn_b)];
        let graph = rows().random("b", &dims).random("shift", &[5]);
        check("Gemm", &graph.clone().node("Gemm", "x b shift", "y", &attributes).model("y", 5));
        check("Gemm", &graph.node("Gemm", "x b", "y", &attributes).model("y", 5));
    }
    // Its first and its third input depend on the images.
    let added = rows().random("b", &[12, 12]).node("Gemm", "x b x", "y", &[float("beta", 0.5)]);
    check("Gemm", &added.model("y", 12));
    check("MatMul", &Graph::new([2, 2, 3]).random("b", &[3, 5]).node("MatMul", "images b", "y", &[]).model("y", 20));
    check("MatMul", &Graph::new([2, 2, 3]).random("b", &[2, 3, 5]).node("MatMul", "images b", "y", &[]).model("y", 20));
    check("MatMul", &Graph::new([2, 2, 3]).random("b", &[5, 2]).node("MatMul", "b images", "y", &[]).model("y", 30));
    let attention = Graph::new([2, 2, 3]).node("Transpose", "images", "turned", &[ints("perm", &[0, 1, 3, 2])]);
    check("MatMul", &attention.node("MatMul", "images turned", "y", &[]).model("y", 8));
    // One factor has a leading axis that the other lacks, both depend on the images.
    let lead = Graph::new([2, 2, 3]).node("GlobalAveragePool", "images", "mean", &[]).random("b", &[1, 3, 4]);
    check("MatMul", &lead.node("MatMul", "images b", "p", &[]).node("Mul", "p mean", "y", &[]).model("y", 16));
}

#[test]
fn reductions() {
    let lists: [&[i64]; 4] = [&[1], &[-1], &[1, 3], &[-2, -1]];
    for operator in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"] {
        for axes in lists {
            for keep in [0, 1] {
                let graph = Graph::new([2, 2, 3]).ints("axes", axes).node(operator, "images axes", "y", &[int("keepdims", keep)]);
                let reduced: i64 = axes.iter().map(|axis| [2, 2, 3][(if *axis < 0 { axis + 3 } else { axis - 1 }) as usize]).product();
                check(&format!("{operator} {axes:?} {keep}"), &graph.model("y", 12 / reduced));
            }
        }
    }
    // The older form, with the axes as an attribute.
    let graph = Graph::new([2, 2, 3]).opset(17).node("ReduceMean", "images", "y", &[ints("axes", &[2, 3]), int("keepdims", 0)]);
    check("ReduceMean of 17", &graph.model("y", 2));
}
