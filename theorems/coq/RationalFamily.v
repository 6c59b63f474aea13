(* Families of rational matrices with rational weights, the subjects of the statements, and their exponents. A family is turned
   into integers by `to_model`, which nobody has to trust: `represents` checks the result (`represents_exponent`). *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith QArith Qreals Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent Invariance IntegerFamily.
Import ListNotations.
Open Scope R_scope.

(* Weights and matrices, by rows; the probabilities are the weights divided by their sum. *)
Record family := Family { dimension : nat; members : list (Q * list (list Q)) }.
Definition no_member : Q * list (list Q) := (0%Q, nil).
Definition members_weight (l : list (Q * list (list Q))) : Q := fold_right Qplus 0%Q (map fst l).
Definition family_prob (F : family) (i : nat) : R := Q2R (fst (nth i (members F) no_member)) / Q2R (members_weight (members F)).
Definition qentry (r : list (list Q)) (j k : nat) : Q := nth k (nth j r nil) 0%Q.
Definition family_matrix (F : family) (i : nat) : mat := fun j k => Q2R (qentry (snd (nth i (members F) no_member)) j k).

(* The top Lyapunov exponent of a family: lim (1/n) E ln ||A_{i_n} ... A_{i_1}||, see Exponent.v. *)
Definition exponent (F : family) : extended := lyapunov (dimension F) (length (members F)) (family_prob F) (family_matrix F).

(* ---------- into integers ---------- *)
Definition lcm_of (l : list Q) : Z := fold_right Z.lcm 1%Z (map (fun x => Zpos (Qden (Qred x))) l).
Definition times (c : Z) (x : Q) : Z := let y := Qred x in (Qnum y * (c / Zpos (Qden y)))%Z.
Definition to_branch (b : Z * list (list Q)) : branch :=
  let c := lcm_of (concat (snd b)) in (fst b, c, map (map (times c)) (snd b)).
Definition to_model (F : family) : model :=
  let ws := map fst (members F) in
  let ns := map (times (lcm_of ws)) ws in
  let g := fold_right Z.gcd 0%Z ns in
  Model (dimension F) (map to_branch (combine (map (fun n => n / g)%Z ns) (map snd (members F)))).

Definition same_branch (d : nat) (total : Z) (sum : Q) (x : (Q * list (list Q)) * branch) : bool :=
  Qeq_bool (fst (fst x) * inject_Z total) (inject_Z (weight (snd x)) * sum) &&
  forallb (fun j => forallb (fun k => Qeq_bool (inject_Z (denominator (snd x)) * qentry (snd (fst x)) j k) (inject_Z (entry (rows (snd x)) j k))) (seq 0 d)) (seq 0 d).
Definition represents (F : family) (m : model) : bool :=
  well_formed m && (dim m =? dimension F)%nat && (count m =? length (members F))%nat &&
  negb (Qeq_bool (members_weight (members F)) 0) &&
  forallb (same_branch (dim m) (total_weight m) (members_weight (members F))) (combine (members F) (branches m)).

Lemma Q2R_inject_Z z : Q2R (inject_Z z) = IZR z.
Proof. unfold Q2R, inject_Z. simpl. lra. Qed.

Theorem represents_exponent F m : represents F m = true -> exponent F = model_exponent m.
Proof.
  unfold represents. rewrite !andb_true_iff. intros [[[[Hwf Hdim] Hcount] Hsum] Hall].
  apply Nat.eqb_eq in Hdim, Hcount. rewrite forallb_forall in Hall.
  apply negb_true_iff in Hsum. assert (HS : Q2R (members_weight (members F)) <> 0).
  { intros E. apply Qeq_bool_neq in Hsum. apply Hsum. apply eqR_Qeq. rewrite E. unfold Q2R; simpl; lra. }
  pose proof (total_weight_pos m Hwf) as HP. apply IZR_lt in HP.
  unfold exponent, model_exponent. rewrite <- Hdim, <- Hcount.
  assert (H : forall i, (i < count m)%nat -> same_branch (dim m) (total_weight m) (members_weight (members F)) (nth i (members F) no_member, nth i (branches m) no_branch) = true).
  { intros i Hi. apply Hall. rewrite <- combine_nth by (unfold count in Hcount; lia). apply nth_In. rewrite combine_length. unfold count in *. lia. }
  apply lyapunov_ext. now apply model_probability. now apply dim_pos.
  - intros i Hi. specialize (H i Hi). unfold same_branch in H. apply andb_true_iff in H. destruct H as [H _]. simpl fst in H; simpl snd in H.
    apply Qeq_bool_eq, Qeq_eqR in H. rewrite !Q2R_mult, !Q2R_inject_Z in H. unfold family_prob, prob.
    apply Rmult_eq_reg_r with (Q2R (members_weight (members F)) * IZR (total_weight m)). 2: apply Rmult_integral_contrapositive; split; [exact HS | lra].
    unfold Rdiv. rewrite <- !Rmult_assoc. rewrite (Rmult_assoc (Q2R (fst _))), Rinv_l, Rmult_1_r by exact HS. rewrite H. field. lra.
  - intros i Hi j k Hj Hk. specialize (H i Hi). unfold same_branch in H. apply andb_true_iff in H. destruct H as [_ H]. simpl fst in H; simpl snd in H.
    rewrite forallb_forall in H. specialize (H j ltac:(apply in_seq; lia)). rewrite forallb_forall in H. specialize (H k ltac:(apply in_seq; lia)).
    apply Qeq_bool_eq, Qeq_eqR in H. rewrite Q2R_mult, !Q2R_inject_Z in H. unfold family_matrix, step.
    assert (0 < IZR (denominator (nth i (branches m) no_branch))) by (apply IZR_lt, (branch_facts m Hwf), branch_in; auto).
    rewrite <- H. field. lra.
Qed.
