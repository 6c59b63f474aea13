(* Independent random products A_{i_n} ... A_{i_1} of N real d x d matrices, i with probability p i, and means over them. *)
From Coq Require Import Reals Lra Lia Psatz Arith List.
From SgdVerify Require Import Sums Matrices.
Import ListNotations.
Open Scope R_scope.

Section Family.
Variables (d N : nat) (p : nat -> R) (A : nat -> mat).
Local Notation mul := (mul d). Local Notation mulv := (mulv d). Local Notation mat_eq := (mat_eq d). Local Notation vec_eq := (vec_eq d).
Local Notation frobenius := (frobenius d).


(* Every matrix of the family occurs. *)
Definition probability := (forall i, (i < N)%nat -> 0 < p i) /\ rsum N p = 1.

Definition E (f : nat -> R) : R := rsum N (fun i => p i * f i).

(* The mean of f (A_{i_n} ... A_{i_1} M) over all words of length n, and the same for a vector *)
Fixpoint word_mean (n : nat) (f : mat -> R) (M : mat) : R :=
  match n with O => f M | S n => E (fun i => word_mean n f (mul (A i) M)) end.
Fixpoint orbit_mean (n : nat) (f : vec -> R) (v : vec) : R :=
  match n with O => f v | S n => E (fun i => orbit_mean n f (mulv (A i) v)) end.

(* E ln ||A_{i_n} ... A_{i_1}|| (ln 0 = 0 in Coq: meaningful where no product vanishes) *)
Definition mean_log (n : nat) : R := word_mean n (fun M => ln (frobenius M)) eye.
(* E ln max(||A_{i_n} ... A_{i_1}||, delta), meaningful always; it decreases to E ln ||...|| in [-infinity, infinity) as delta -> 0 *)
Definition truncated_log (n : nat) (delta : R) : R := word_mean n (fun M => ln (Rmax (frobenius M) delta)) eye.

(* mean_log as a sum over the explicit list of words of length n, each with its probability *)
Fixpoint words (n : nat) : list (list nat) :=
  match n with O => [nil] | S n => flat_map (fun w => map (fun i => i :: w) (seq 0 N)) (words n) end.
Fixpoint word_product (w : list nat) : mat := match w with nil => eye | i :: w => mul (A i) (word_product w) end.
Fixpoint word_prob (w : list nat) : R := match w with nil => 1 | i :: w => p i * word_prob w end.
Fixpoint list_sum {X} (l : list X) (f : X -> R) : R := match l with nil => 0 | x :: l => f x + list_sum l f end.
Definition words_mean_log (n : nat) : R := list_sum (words n) (fun w => word_prob w * ln (frobenius (word_product w))).

Lemma E_ext f g : (forall i, (i < N)%nat -> f i = g i) -> E f = E g.
Proof. intros H. apply rsum_ext; intros i Hi. now rewrite H. Qed.
Lemma E_plus f g : E (fun i => f i + g i) = E f + E g.
Proof. unfold E. rewrite <- rsum_plus. apply rsum_ext; intros; ring. Qed.
Lemma E_scal c f : E (fun i => c * f i) = c * E f.
Proof. unfold E. rewrite <- rsum_scal. apply rsum_ext; intros; ring. Qed.

Lemma word_mean_add n m f : forall M, word_mean (n + m) f M = word_mean n (word_mean m f) M.
Proof. induction n; intros M; simpl; auto. apply E_ext; intros; apply IHn. Qed.

Lemma word_mean_scal n c f : forall M, word_mean n (fun M => c * f M) M = c * word_mean n f M.
Proof. induction n; intros M; simpl; auto. rewrite <- E_scal. apply E_ext; intros; apply IHn. Qed.
Lemma word_mean_plus n f g : forall M, word_mean n (fun M => f M + g M) M = word_mean n f M + word_mean n g M.
Proof. induction n; intros M; simpl; auto. rewrite <- E_plus. apply E_ext; intros; apply IHn. Qed.
Lemma word_mean_rsum n k (f : nat -> mat -> R) : forall M,
  word_mean n (fun M => rsum k (fun j => f j M)) M = rsum k (fun j => word_mean n (f j) M).
Proof.
  induction k; intros M; simpl.
  - induction n as [|n IH] in M |- *; simpl; auto. unfold E.
    rewrite (rsum_ext N _ (fun _ => 0)). apply rsum_zero. intros; rewrite IH; ring.
  - now rewrite word_mean_plus, IHk.
Qed.

(* Functions of the entries with indices < d only *)
Definition respects (f : mat -> R) := forall M M', mat_eq M M' -> f M = f M'.
Lemma word_mean_respects n f : respects f -> respects (word_mean n f).
Proof.
  intros H. induction n; intros M M' HM; simpl; auto.
  apply E_ext; intros i Hi. apply IHn. apply mul_ext; auto. intros ? ? ? ?; auto.
Qed.
Definition respects_vec (f : vec -> R) := forall u v, vec_eq u v -> f u = f v.
Lemma orbit_mean_respects n f : respects_vec f -> respects_vec (orbit_mean n f).
Proof.
  intros H. induction n; intros u v Huv; simpl; auto.
  apply E_ext; intros i Hi. apply IHn. apply mulv_ext; auto. intros ? ? ? ?; auto.
Qed.
Lemma log_frobenius_respects : respects (fun M => ln (frobenius M)).
Proof. intros M M' H. now rewrite (frobenius_ext d _ _ H). Qed.

(* from matrices to vectors *)
Lemma word_mean_orbit n f v : respects_vec f -> forall M, word_mean n (fun M => f (mulv M v)) M = orbit_mean n f (mulv M v).
Proof.
  intros Hf. induction n; intros M; simpl; auto.
  apply E_ext; intros i Hi. rewrite IHn. apply orbit_mean_respects; auto. intros k Hk. apply mulv_mul.
Qed.
Lemma word_mean_orbit_eye n f v : respects_vec f -> word_mean n (fun M => f (mulv M v)) eye = orbit_mean n f v.
Proof. intros Hf. rewrite word_mean_orbit by auto. apply orbit_mean_respects; auto. apply eye_mulv. Qed.

(* the word-list definition agrees *)
Lemma list_sum_app {X} (l m : list X) f : list_sum (l ++ m) f = list_sum l f + list_sum m f.
Proof. induction l; simpl; [lra | rewrite IHl; lra]. Qed.
Lemma list_sum_ext {X} (l : list X) f g : (forall x, f x = g x) -> list_sum l f = list_sum l g.
Proof. intros H. induction l; simpl; auto. now rewrite IHl, H. Qed.
Lemma list_sum_plus {X} (l : list X) f g : list_sum l (fun x => f x + g x) = list_sum l f + list_sum l g.
Proof. induction l; simpl; [lra | rewrite IHl; lra]. Qed.
Lemma list_sum_le {X} (l : list X) f g : (forall x, In x l -> f x <= g x) -> list_sum l f <= list_sum l g.
Proof. induction l as [|x l IH]; simpl; intros H. lra. apply Rplus_le_compat; [apply H; now left | apply IH; intros; apply H; now right]. Qed.
Lemma list_sum_flat_map {X Y} (l : list X) (g : X -> list Y) f :
  list_sum (flat_map g l) f = list_sum l (fun x => list_sum (g x) f).
Proof. induction l; simpl; auto. now rewrite list_sum_app, IHl. Qed.
Lemma list_sum_map_seq {X} (g : nat -> X) f : forall n, list_sum (map g (seq 0 n)) f = rsum n (fun i => f (g i)).
Proof.
  intros n. induction n. reflexivity.
  rewrite seq_S, map_app, list_sum_app, IHn. simpl. lra.
Qed.
Lemma words_mean n : forall f, list_sum (words n) (fun w => word_prob w * f (word_product w)) = word_mean n f eye.
Proof.
  induction n; intros f. simpl; lra.
  simpl words. rewrite list_sum_flat_map.
  replace (S n) with (n + 1)%nat by lia. rewrite word_mean_add. rewrite <- (IHn (word_mean 1 f)).
  apply list_sum_ext; intros w. rewrite list_sum_map_seq. simpl. unfold E.
  rewrite <- rsum_scal. apply rsum_ext; intros i Hi. ring.
Qed.
Theorem mean_log_words n : mean_log n = words_mean_log n.
Proof. unfold mean_log, words_mean_log. now rewrite (words_mean n (fun M => ln (frobenius M))). Qed.

Lemma words_complete w : (forall i, In i w -> (i < N)%nat) -> In w (words (length w)).
Proof.
  induction w as [|i w IH]; intros Hw; simpl; auto. apply in_flat_map. exists w. split.
  - apply IH. intros; apply Hw; now right.
  - apply (in_map (fun i => i :: w)). apply in_seq. specialize (Hw i (or_introl eq_refl)). lia.
Qed.

Section Prob.
Hypothesis Hp : probability.
Lemma prob_nonneg i : (i < N)%nat -> 0 <= p i. Proof. intros; left; now apply Hp. Qed.
Lemma E_le f g : (forall i, (i < N)%nat -> f i <= g i) -> E f <= E g.
Proof.
  intros H. apply rsum_le; intros i Hi. apply Rmult_le_compat_l; auto. apply prob_nonneg; auto.
Qed.
Lemma E_const c : E (fun _ => c) = c.
Proof. unfold E. rewrite rsum_scal_r. destruct Hp as [_ ->]. lra. Qed.

Lemma word_mean_const n c : forall M, word_mean n (fun _ => c) M = c.
Proof. induction n; intros M; simpl; auto. rewrite (E_ext _ (fun _ => c)); [apply E_const|]. auto. Qed.
Lemma word_mean_le n (f g : mat -> R) (I : mat -> Prop) :
  (forall i M, (i < N)%nat -> I M -> I (mul (A i) M)) -> (forall M, I M -> f M <= g M) ->
  forall M, I M -> word_mean n f M <= word_mean n g M.
Proof. intros HI H. induction n; intros M HM; simpl; auto. apply E_le; intros. apply IHn. auto. Qed.
Lemma word_mean_le_everywhere n (f g : mat -> R) : (forall M, f M <= g M) -> forall M, word_mean n f M <= word_mean n g M.
Proof. intros H M. apply (word_mean_le n f g (fun _ => True)); auto. Qed.

Lemma word_prob_pos w : (forall i, In i w -> (i < N)%nat) -> 0 < word_prob w.
Proof.
  induction w as [|i w IH]; simpl; intros Hw. lra.
  apply Rmult_lt_0_compat. apply Hp, Hw; now left. apply IH. intros; apply Hw; now right.
Qed.
Lemma words_valid n : forall w, In w (words n) -> forall i, In i w -> (i < N)%nat.
Proof.
  induction n; simpl; intros w Hw i Hi. destruct Hw as [<-|[]]; destruct Hi.
  apply in_flat_map in Hw. destruct Hw as [v [Hv Hw]]. apply in_map_iff in Hw. destruct Hw as [j [<- Hj]].
  destruct Hi as [<-|Hi]; [apply in_seq in Hj; lia | now apply (IHn v)].
Qed.
(* One word contributes its share to a bound of the mean. *)
Lemma words_term_bound w (f g : mat -> R) c : (forall i, In i w -> (i < N)%nat) -> (forall M, f M <= g M) -> f (word_product w) <= g (word_product w) + c ->
  list_sum (words (length w)) (fun w => word_prob w * f (word_product w)) <=
  list_sum (words (length w)) (fun w => word_prob w * g (word_product w)) + word_prob w * c.
Proof.
  intros Hw Hfg Hc. pose proof (words_complete w Hw) as Hin. pose proof (words_valid (length w)) as Hv. revert Hin Hv. generalize (words (length w)).
  assert (G : forall l, (forall u, In u l -> forall i, In i u -> (i < N)%nat) ->
    list_sum l (fun w => word_prob w * f (word_product w)) <= list_sum l (fun w => word_prob w * g (word_product w))).
  { induction l as [|u l IH]; simpl; intros Hv. lra. apply Rplus_le_compat.
    - apply Rmult_le_compat_l; auto. left. apply word_prob_pos. apply Hv. now left.
    - apply IH. intros v Hv'. apply Hv. now right. }
  induction l as [|u l IH]; simpl; intros [] Hv.
  - subst u. pose proof (G l (fun v Hv' => Hv v (or_intror Hv'))). pose proof (word_prob_pos w Hw).
    assert (word_prob w * f (word_product w) <= word_prob w * (g (word_product w) + c)) by (apply Rmult_le_compat_l; lra). lra.
  - pose proof (IH H (fun v Hv' => Hv v (or_intror Hv'))).
    assert (word_prob u * f (word_product u) <= word_prob u * g (word_product u)); [|lra].
    apply Rmult_le_compat_l; auto. left. apply word_prob_pos. apply Hv. now left.
Qed.

(* The products of finitely many matrices of the family *)
Definition reachable (M : mat) := exists w, (forall i, In i w -> (i < N)%nat) /\ M = word_product w.
Lemma reachable_eye : reachable eye. Proof. exists nil; split; auto. intros i []. Qed.
Lemma reachable_step i M : (i < N)%nat -> reachable M -> reachable (mul (A i) M).
Proof. intros Hi [w [Hw ->]]. exists (i :: w). split; auto. intros j [<-|]; auto. Qed.
Lemma reachable_mul M M' : reachable M -> reachable M' -> exists M'', reachable M'' /\ mat_eq (mul M M') M''.
Proof.
  intros [w [Hw ->]] H'. induction w as [|i w IH].
  - exists M'. split; auto. apply eye_mul.
  - destruct IH as [M'' [HR HE]]. intros; apply Hw; right; auto.
    exists (mul (A i) M''). split. apply reachable_step; auto. apply Hw; left; auto.
    intros a b Ha Hb. simpl. rewrite <- (mul_assoc d d). apply mul_ext; auto. intros ? ? ? ?; auto.
Qed.

Definition never_zero := forall M, reachable M -> 0 < frobenius M.
End Prob.
End Family.
