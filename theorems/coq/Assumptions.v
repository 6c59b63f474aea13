(* The axioms that the main theorems rest on: those of the classical reals, and nothing else. The build prints them
   (one question for all the theorems together: each answer takes a second). *)
From SgdVerify Require Import Exponent Sandwich Invariance Sgd Gradients EqualNorms Convergence Certificates.

Definition main_theorems :=
  (lyapunov_correct, is_lyapunov_unique, sandwich_lower, sandwich_upper, lyapunov_conjugate, lambda_meaning, lambda_of_gradients, orbits_converge, steps_below_two, steps_above_two,
   steps_equal_two, by_linear_forms_lower, by_linear_forms_upper, by_planar_forms, by_words, by_determinant,
   by_diagonal_lower, by_diagonal_upper).
Print Assumptions main_theorems.
