(* The linearised dynamics of SGD at an interpolating minimum, built from the kernel K (the Gram matrix of the gradients) and the
   step size eta: with probability w_i / sum w the residuals move by r <- r - eta r_i K e_i. `lambda K eta` is their exponent for
   uniform samples, `mu K eta` that of gradient descent r <- r - (eta / N) K r.
   K is meant to be positive definite: otherwise the residuals live on range(K), a proper subspace that the steps leave invariant. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith QArith Qreals Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent Invariance IntegerFamily RationalFamily.
Import ListNotations.
Open Scope R_scope.

Definition qmatrix (n m : nat) (f : nat -> nat -> Q) : list (list Q) := map (fun j => map (f j) (seq 0 m)) (seq 0 n).
Definition delta (j k : nat) : Q := if Nat.eqb j k then 1%Q else 0%Q.

(* I - eta K e_i e_i^T *)
Definition sgd_step (K : list (list Q)) (eta : Q) (i : nat) : list (list Q) :=
  qmatrix (length K) (length K) (fun j k => (delta j k - (if Nat.eqb k i then eta * qentry K j i else 0))%Q).
Definition sgd_weighted (ws : list Q) (K : list (list Q)) (eta : Q) : family :=
  Family (length K) (combine ws (map (sgd_step K eta) (seq 0 (length K)))).
Definition sgd (K : list (list Q)) (eta : Q) : family := sgd_weighted (repeat 1%Q (length K)) K eta.
Definition lambda (K : list (list Q)) (eta : Q) : extended := exponent (sgd K eta).
Definition lambda_weighted (ws : list Q) (K : list (list Q)) (eta : Q) : extended := exponent (sgd_weighted ws K eta).

(* I - (eta / N) K *)
Definition gradient_descent (K : list (list Q)) (eta : Q) : family :=
  Family (length K) [(1%Q, qmatrix (length K) (length K) (fun j k => (delta j k - eta / inject_Z (Z.of_nat (length K)) * qentry K j k)%Q))].
Definition mu (K : list (list Q)) (eta : Q) : extended := exponent (gradient_descent K eta).

(* ---------- what they mean over the reals ---------- *)
Definition rdelta (j k : nat) : R := if Nat.eqb j k then 1 else 0.
Definition pull_step (eta : R) (a f : vec) : mat := fun j k => rdelta j k - eta * (a j * f k).

Lemma qmatrix_entry n m f j k : (j < n)%nat -> (k < m)%nat -> qentry (qmatrix n m f) j k = f j k.
Proof.
  intros Hj Hk. unfold qentry, qmatrix. rewrite (nth_map _ _ _ 0%nat) by (now rewrite seq_length). rewrite seq_nth by auto.
  rewrite (nth_map _ _ _ 0%nat) by (now rewrite seq_length). now rewrite seq_nth.
Qed.
Lemma Q2R_delta j k : Q2R (delta j k) = rdelta j k.
Proof. unfold delta, rdelta. destruct (Nat.eqb j k); unfold Q2R; simpl; lra. Qed.
Lemma Q2R_0 : Q2R 0 = 0. Proof. unfold Q2R; simpl; lra. Qed.
Lemma Q2R_1 : Q2R 1 = 1. Proof. unfold Q2R; simpl; lra. Qed.

Section Meaning.
Variables (ws : list Q) (K : list (list Q)) (eta : Q).
Hypothesis Hws : length ws = length K.
Let N := length K.

Lemma sgd_dimension : dimension (sgd_weighted ws K eta) = N. Proof. reflexivity. Qed.
Lemma sgd_count : length (members (sgd_weighted ws K eta)) = N.
Proof. unfold sgd_weighted. cbn [members]. rewrite combine_length, map_length, seq_length. rewrite Hws. apply Nat.min_id. Qed.
Lemma sgd_member i : (i < N)%nat -> nth i (members (sgd_weighted ws K eta)) no_member = (nth i ws 0%Q, sgd_step K eta i).
Proof.
  intros Hi. unfold sgd_weighted, no_member. cbn [members]. rewrite combine_nth by (now rewrite map_length, seq_length).
  rewrite (nth_map _ _ _ 0%nat) by (now rewrite seq_length). now rewrite seq_nth.
Qed.
Theorem sgd_matrix i : (i < N)%nat ->
  mat_eq N (family_matrix (sgd_weighted ws K eta) i) (pull_step (Q2R eta) (fun j => Q2R (qentry K j i)) (fun k => rdelta k i)).
Proof.
  intros Hi j k Hj Hk. unfold family_matrix. rewrite sgd_member by auto. cbn [snd]. unfold sgd_step. rewrite qmatrix_entry by auto.
  rewrite Q2R_minus, Q2R_delta. unfold pull_step, rdelta. destruct (Nat.eqb k i); rewrite ?Q2R_mult, ?Q2R_0; ring.
Qed.
Theorem sgd_prob i : (i < N)%nat -> family_prob (sgd_weighted ws K eta) i = Q2R (nth i ws 0%Q) / Q2R (fold_right Qplus 0%Q ws).
Proof.
  intros Hi. unfold family_prob. rewrite sgd_member by auto. cbn [fst]. unfold members_weight, sgd_weighted. cbn [members].
  replace (map fst (combine ws (map (sgd_step K eta) (seq 0 (length K))))) with ws; auto.
  assert (G : forall (l : list Q) (l' : list (list (list Q))), length l = length l' -> l = map fst (combine l l')).
  { induction l as [|x l IH]; intros [|y l'] H; try discriminate; auto. simpl. f_equal. apply IH. simpl in H; lia. }
  apply G. now rewrite map_length, seq_length.
Qed.
End Meaning.

Lemma Q2R_sum_ones n : Q2R (fold_right Qplus 0%Q (repeat 1%Q n)) = INR n.
Proof. induction n. simpl. apply Q2R_0. cbn [repeat fold_right]. rewrite Q2R_plus, IHn, Q2R_1, S_INR. ring. Qed.

(* Uniform samples: `lambda` is the exponent of the matrices I - eta K e_i e_i^T, each with probability 1/N. *)
Theorem lambda_meaning K eta : (0 < length K)%nat ->
  lambda K eta = lyapunov (length K) (length K) (fun _ => / INR (length K))
    (fun i => pull_step (Q2R eta) (fun j => Q2R (qentry K j i)) (fun k => rdelta k i)).
Proof.
  intros HN. assert (HNR : 0 < INR (length K)) by (now apply lt_0_INR).
  assert (Hrep : length (repeat 1%Q (length K)) = length K) by apply repeat_length.
  unfold lambda, exponent, sgd. rewrite sgd_count by auto. rewrite sgd_dimension.
  apply lyapunov_ext; auto.
  - split. intros; now apply Rinv_0_lt_compat. rewrite rsum_const. field. lra.
  - intros i Hi. rewrite sgd_prob by auto. rewrite Q2R_sum_ones.
    assert (G : forall n j, (j < n)%nat -> nth j (repeat 1%Q n) 0%Q = 1%Q) by (induction n; intros [|j] Hj; simpl; auto; try lia; apply IHn; lia).
    rewrite G by auto. rewrite Q2R_1. unfold Rdiv. ring.
  - intros i Hi. now apply sgd_matrix.
Qed.
